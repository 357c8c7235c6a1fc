// Package simulator_test shows the simulator through its front door: its program, real machines under QEMU, a real API
// server that their nodes join, and kubectl.
//
// The judge is never the simulator: it is what ssh reads inside a machine, what the API server says of its node, what a
// prober on the bridge hears, and what is left on the host. All of it is in a network namespace of this test's own, so
// nothing of the host's is touched. It needs root, QEMU, and the disks of `make test-images`; without them it skips.
//
//	namespace ┌ control plane ◀── kubectl, ssh, prober
//	          ├ simulator ──QEMU──▶ machines ──kubeadm join──▶ control plane
//	          └ stargate-br0 192.168.100.0/24
package simulator_test
