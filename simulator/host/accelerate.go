package host

import "slices"

// Accelerator is what runs a machine's instructions.
type Accelerator string

// The accelerators.
const (
	KVM Accelerator = "kvm"
	TCG Accelerator = "tcg"
)

// Accelerate says which accelerator works on a host, and why it is not KVM. That /dev/kvm opens, and even makes a machine,
// tells nothing: paravirtual KVM does both, and then a kernel hangs in its decompressor. So KVM is taken only where the
// processor itself virtualizes; that is still no proof, and a machine that fails under it is to be started under TCG.
func Accelerate(f Facts) (accelerator Accelerator, why string) {
	hardware := slices.Contains(f.KVMModules, kvmIntel) || slices.Contains(f.KVMModules, kvmAMD)
	switch {
	case f.KVM != "":
		return TCG, "KVM cannot be used: " + f.KVM
	case slices.Contains(f.KVMModules, kvmPVM):
		return TCG, "KVM is paravirtual here (module kvm_pvm): ordinary kernels do not boot under it"
	case !hardware && f.Virtualization == "":
		return TCG, "/dev/kvm opens, but nothing virtualizes: neither kvm_intel nor kvm_amd is loaded, and the processor has neither flag vmx nor svm"
	case f.Closed != "":
		return TCG, f.Closed
	}
	return KVM, ""
}
