// SPDX-License-Identifier: GPL-2.0

// Package loopback sends messages through an RDMA device of this machine, by ../loopback.c.
package loopback

// #cgo CFLAGS: -DLIBRARY
// #cgo LDFLAGS: -libverbs
// #include <stdlib.h>
// #include "../loopback.c"
import "C"
import "unsafe"

// Messages sends n messages, with a mistake if it is not empty, and returns how many arrived as they were.
func Messages(n int, mistake string) int {
	name := C.CString(mistake)
	defer C.free(unsafe.Pointer(name))
	return int(C.loopback(C.long(n), name))
}
