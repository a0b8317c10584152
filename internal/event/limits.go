package event

// Limits on what one event may hold. Decode enforces the counts, so that memory stays bounded by
// the size of the payload; Normalize enforces the lengths and leaves a "!limit" remark.
// Rule: getsentry/relay relay-event-schema/src/protocol (max_chars, max_depth, max_bytes)
const (
	maxDepth      = 64    // nested objects and lists; deeper values become null
	maxNodes      = 20000 // values inside free-form parts, summed over the event
	maxSpanNodes  = 200000
	maxMeasures   = 100 // measurements of a transaction
	maxExceptions = 50
	maxFrames     = 250   // of one stack trace; the last are kept
	maxAllFrames  = 10000 // of all stack traces of an event
	fullFrames    = 50    // frames of one stack trace that keep variables and source lines
	maxThreads    = 100
	maxCrumbs     = 100 // the newest are kept
	maxTags       = 100 // sent by the client
	maxAllTags    = 200 // with those that Normalize adds
	maxPairs      = 500 // headers, cookies, query parameters
	maxModules    = 2000
	maxList       = 100  // source lines, fingerprint parts, integrations
	maxErrors     = 100  // processing errors
	maxMeta       = 1000 // fields with remarks
	maxRemarks    = 20   // of one kind on one field, from which on no more are added
	maxOriginal   = 500  // bytes of a rejected value that are kept for display
	maxPath       = 500  // bytes of the path of a field with remarks
)

// limit is a longest text in characters. Texts up to allow longer are left alone, because a cut
// would save nothing.
type limit struct{ max, allow int }

// The text limits of the protocol.
var (
	limitSymbol    = limit{256, 20}
	limitFunction  = limit{512, 20}
	limitPath      = limit{2048, 40}
	limitMessage   = limit{8192, 200}
	limitURL       = limit{8192, 40}
	limitFragment  = limit{1024, 100}
	limitCulprit   = limit{200, 0}
	limitKey       = limit{128, 0}
	limitEmail     = limit{75, 0}
	limitLogger    = limit{64, 0}
	limitTag       = 200
	limitRelease   = 200
	limitShortName = 64 // dist and environment
)

// bag bounds a free-form part: containers nested at most depth deep, the part itself included,
// and size bytes of JSON.
type bag struct{ depth, size int }

// The free-form parts of the protocol.
var (
	bagExtra     = bag{7, 256 << 10}
	bagExtraItem = bag{6, 16 << 10} // inside the depth of extra
	bagContext   = bag{7, 8 << 10}
	bagRequest   = bag{7, 8 << 10}
	bagVars      = bag{5, 2 << 10}
	bagCrumb     = bag{5, 2 << 10}
	bagUser      = bag{7, 8 << 10}
	bagSpans     = bag{9, 800 << 10}
)
