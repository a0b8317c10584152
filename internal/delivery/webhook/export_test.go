package webhook

// RetryAfter gives the tests the parser of the header.
var RetryAfter = retryAfter
