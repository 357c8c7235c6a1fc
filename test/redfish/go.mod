module stargate.io/stargate/test/redfish

go 1.26.0

replace stargate.io/stargate => ../..

require (
	github.com/stmcginnis/gofish v0.20.0
	stargate.io/stargate v0.0.0-00010101000000-000000000000
)

require (
	github.com/digitalocean/go-libvirt v0.0.0-20220804181439-8648fbde413e // indirect
	github.com/digitalocean/go-qemu v0.0.0-20250212194115-ee9b0668d242 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/time v0.16.0 // indirect
)
