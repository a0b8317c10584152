package event

import (
	"strconv"
	"strings"
)

// The classes of devices, as the tag device.class is stored. Search calls them low, medium, high.
const (
	classLow    = "1"
	classMedium = "2"
	classHigh   = "3"
)

// The bounds between the classes of Android devices.
const (
	slowMHz, mediumMHz        = 2000, 2500
	fewCores                  = 8
	littleBytes, mediumBytes  = 4 << 30, 6 << 30
	firstMedium, firstHighGen = 11, 13 // generations of iPhone models, which begin at iPhone1,1
)

// deviceClass says how powerful the device is that the device context describes; empty when that
// cannot be told.
// Rule: getsentry/relay relay-event-schema/src/protocol/device_class.rs
func (o Object) deviceClass() string {
	switch o.text("family") {
	case "":
		return ""
	case "iPhone", "iOS", "iOS-Device":
		return iPhoneClass(o.text("model"))
	}
	mhz, known := wholeNumber(o.Get("processor_frequency"))
	cores, counted := wholeNumber(o.Get("processor_count"))
	bytes, sized := wholeNumber(o.Get("memory_size"))
	switch {
	case !known || !counted || !sized:
		return ""
	case mhz < slowMHz || cores < fewCores || bytes < littleBytes:
		return classLow
	case mhz < mediumMHz || bytes < mediumBytes:
		return classMedium
	}
	return classHigh
}

// iPhoneClass is the class of a model such as "iPhone15,3".
func iPhoneClass(model string) string {
	number, found := strings.CutPrefix(model, "iPhone")
	number, _, comma := strings.Cut(number, ",")
	generation, err := strconv.Atoi(number)
	switch {
	case !found || !comma || err != nil:
		return ""
	case generation < firstMedium:
		return classLow
	case generation < firstHighGen:
		return classMedium
	}
	return classHigh
}
