package minidump

import "fmt"

// signals are the names of POSIX signals, by number.
var signals = map[uint32]string{4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL", 11: "SIGSEGV", 13: "SIGPIPE", 15: "SIGTERM", 31: "SIGSYS"}

// statuses are the names of codes that Windows raises.
// Rule: https://learn.microsoft.com/openspecs/windows_protocols/ms-erref/
var statuses = map[uint32]string{
	0x80000001: "EXCEPTION_GUARD_PAGE", 0x80000002: "EXCEPTION_DATATYPE_MISALIGNMENT", 0x80000003: "EXCEPTION_BREAKPOINT", 0x80000004: "EXCEPTION_SINGLE_STEP",
	0xc0000005: "EXCEPTION_ACCESS_VIOLATION", 0xc0000006: "EXCEPTION_IN_PAGE_ERROR", 0xc0000008: "EXCEPTION_INVALID_HANDLE", 0xc000001d: "EXCEPTION_ILLEGAL_INSTRUCTION",
	0xc0000025: "EXCEPTION_NONCONTINUABLE_EXCEPTION", 0xc000008c: "EXCEPTION_ARRAY_BOUNDS_EXCEEDED", 0xc000008e: "EXCEPTION_FLT_DIVIDE_BY_ZERO",
	0xc0000094: "EXCEPTION_INT_DIVIDE_BY_ZERO", 0xc0000095: "EXCEPTION_INT_OVERFLOW", 0xc0000096: "EXCEPTION_PRIV_INSTRUCTION", 0xc00000fd: "EXCEPTION_STACK_OVERFLOW",
	0xc0000374: "EXCEPTION_HEAP_CORRUPTION", 0xc0000409: "EXCEPTION_STACK_BUFFER_OVERRUN", 0xe06d7363: "C++ EXCEPTION", 0x0517a7ed: "SIMULATED CRASH",
}

// machs are the names of exceptions of Apple's kernel, by number.
var machs = map[uint32]string{1: "EXC_BAD_ACCESS", 2: "EXC_BAD_INSTRUCTION", 3: "EXC_ARITHMETIC", 4: "EXC_EMULATION", 5: "EXC_SOFTWARE", 6: "EXC_BREAKPOINT",
	10: "EXC_CRASH", 11: "EXC_RESOURCE", 12: "EXC_GUARD"}

// requested is the code of dumps that were asked for without a crash.
const requested = 0xffffffff

// Reason is the name of what was raised: of a signal, of an exception, or the code in hexadecimal.
func (d *Dump) Reason() string {
	if !d.Crashed || d.Code == requested {
		return "DUMP_REQUESTED"
	}
	names := signals
	switch d.OS {
	case "Windows":
		names = statuses
	case "macOS", "iOS":
		names = machs
	}
	if name := names[d.Code]; name != "" {
		return name
	}
	return fmt.Sprintf("0x%08x", d.Code)
}
