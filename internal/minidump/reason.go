package minidump

import "fmt"

// signals are the names of POSIX signals, by number.
var signals = map[uint32]string{4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL", 11: "SIGSEGV", 13: "SIGPIPE", 15: "SIGTERM", 31: "SIGSYS"}

// statuses are the names of codes that Windows raises.
// Rule: https://learn.microsoft.com/openspecs/windows_protocols/ms-erref/
var statuses = map[uint32]string{
	0x80000001: "EXCEPTION_GUARD_PAGE", 0x80000002: "EXCEPTION_DATATYPE_MISALIGNMENT", 0x80000003: "EXCEPTION_BREAKPOINT", 0x80000004: "EXCEPTION_SINGLE_STEP",
	0xc0000005: "EXCEPTION_ACCESS_VIOLATION", 0xc0000006: "EXCEPTION_IN_PAGE_ERROR", 0xc0000008: "EXCEPTION_INVALID_HANDLE", 0xc000000d: "STATUS_INVALID_PARAMETER", 0xc0000017: "STATUS_NO_MEMORY", 0xc000001d: "EXCEPTION_ILLEGAL_INSTRUCTION",
	0xc0000025: "EXCEPTION_NONCONTINUABLE_EXCEPTION", 0xc000008c: "EXCEPTION_ARRAY_BOUNDS_EXCEEDED", 0xc000008e: "EXCEPTION_FLT_DIVIDE_BY_ZERO",
	0xc0000094: "EXCEPTION_INT_DIVIDE_BY_ZERO", 0xc0000095: "EXCEPTION_INT_OVERFLOW", 0xc0000096: "EXCEPTION_PRIV_INSTRUCTION", 0xc00000fd: "EXCEPTION_STACK_OVERFLOW",
	0xc0000374: "EXCEPTION_HEAP_CORRUPTION", 0xc0000409: "EXCEPTION_STACK_BUFFER_OVERRUN", 0xe06d7363: "C++ EXCEPTION", 0x0517a7ed: "SIMULATED CRASH",
}

// machs are the names of exceptions of Apple's kernel, by number.
var machs = map[uint32]string{1: "EXC_BAD_ACCESS", 2: "EXC_BAD_INSTRUCTION", 3: "EXC_ARITHMETIC", 4: "EXC_EMULATION", 5: "EXC_SOFTWARE", 6: "EXC_BREAKPOINT",
	10: "EXC_CRASH", 11: "EXC_RESOURCE", 12: "EXC_GUARD"}

// Access is what a program tried to do with memory.
type Access string

// accesses are the kinds by number.
// Rule: https://learn.microsoft.com/windows/win32/api/winnt/ns-winnt-exception_record
var accesses = map[uint64]Access{0: "read", 1: "write", 8: "exec"}

// details name the second half of a reason, by its first and its number.
// Rule: https://man7.org/linux/man-pages/man2/sigaction.2.html, mach/kern_return.h
var details = map[string]map[uint32]string{
	"SIGSEGV":        {1: "SEGV_MAPERR", 2: "SEGV_ACCERR", 3: "SEGV_BNDERR", 4: "SEGV_PKUERR"},
	"SIGBUS":         {1: "BUS_ADRALN", 2: "BUS_ADRERR", 3: "BUS_OBJERR"},
	"SIGILL":         {1: "ILL_ILLOPC", 2: "ILL_ILLOPN", 3: "ILL_ILLADR", 4: "ILL_ILLTRP", 5: "ILL_PRVOPC", 6: "ILL_PRVREG", 7: "ILL_COPROC", 8: "ILL_BADSTK"},
	"SIGFPE":         {1: "FPE_INTDIV", 2: "FPE_INTOVF", 3: "FPE_FLTDIV", 4: "FPE_FLTOVF", 5: "FPE_FLTUND", 6: "FPE_FLTRES", 7: "FPE_FLTINV", 8: "FPE_FLTSUB"},
	"SIGTRAP":        {1: "TRAP_BRKPT", 2: "TRAP_TRACE"},
	"SIGSYS":         {1: "SYS_SECCOMP"},
	"EXC_BAD_ACCESS": {1: "KERN_INVALID_ADDRESS", 2: "KERN_PROTECTION_FAILURE"},
}

// Detail is the reason with its second half, such as "SIGSEGV / SEGV_MAPERR".
func (d *Dump) Detail() string {
	reason := d.Reason()
	if d.Access != "" {
		return reason + " / " + string(d.Access)
	}
	if detail := details[reason][d.Flags]; detail != "" {
		return reason + " / " + detail
	}
	return reason
}

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
