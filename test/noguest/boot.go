package noguest

import (
	"encoding/binary"
	"strings"
)

// sector of a CD.
const sector = 2048

// bootSector writes "started from <from>\n" to the first serial port, and halts.
func bootSector(from string) []byte {
	code := []byte{
		0x31, 0xc0, // xor ax,ax
		0x8e, 0xd8, // mov ds,ax
		0xbe, 0x15, 0x7c, // mov si,text
		0xba, 0xf8, 0x03, // mov dx,3f8
		0xac,       // next: lodsb
		0x84, 0xc0, // test al,al
		0x74, 0x03, // jz halt
		0xee,       // out dx,al
		0xeb, 0xf8, // jmp next
		0xf4,       // halt: hlt
		0xeb, 0xfd, // jmp halt
	}
	image := make([]byte, 512)
	copy(image[copy(image, code):], "started from "+from+"\n\x00")
	image[510], image[511] = 0x55, 0xaa
	return image
}

// CD gives an ISO that a BIOS starts (El Torito, no emulation), and that says from what.
func CD(from string) []byte {
	cd := make([]byte, 32*sector)
	at := func(n int) []byte { return cd[n*sector : (n+1)*sector] }
	copy(at(16), "\x01CD001\x01")
	copy(at(17), "\x00CD001\x01EL TORITO SPECIFICATION")
	binary.LittleEndian.PutUint32(at(17)[0x47:], 19)
	copy(at(18), "\xffCD001\x01")
	catalog := at(19)
	catalog[0], catalog[30], catalog[31] = 1, 0x55, 0xaa
	var sum uint16
	for i := 0; i < 32; i += 2 {
		sum += binary.LittleEndian.Uint16(catalog[i:])
	}
	binary.LittleEndian.PutUint16(catalog[28:], -sum)
	catalog[32] = 0x88                              // bootable
	binary.LittleEndian.PutUint16(catalog[38:], 4)  // sectors of 512 bytes
	binary.LittleEndian.PutUint32(catalog[40:], 20) // where they are
	copy(at(20), bootSector(from))
	return cd
}

// Starts gives what a machine was started from, in order, by its console's log.
func Starts(console []byte) []string {
	var starts []string
	for _, line := range strings.Split(string(console), "\n") {
		if _, from, found := strings.Cut(line, "started from "); found {
			starts = append(starts, strings.TrimSpace(from))
		}
	}
	return starts
}
