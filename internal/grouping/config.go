package grouping

// Config selects one frozen version of the grouping algorithm. Hashes made under one Config never
// change, so a project moves to a newer one by knowing both for a while.
type Config struct {
	// ID names the version in stored events and project settings.
	ID string

	// valueFirst puts type and value of an exception before its stack trace.
	valueFirst bool
	// ignoreLoneNonURL ignores a lone JavaScript frame without function unless it points to a URL;
	// the older version does the opposite.
	ignoreLoneNonURL bool
	// maskSpawn replaces the numbers in the command line of multiprocessing children.
	maskSpawn bool
	// nameUnknownVariables replaces fingerprint variables that do not exist by a placeholder.
	nameUnknownVariables bool
}

// The ids of the versions that can be selected.
const (
	Newstyle2026 = "newstyle:2026-01-20"
	Newstyle2023 = "newstyle:2023-01-11"
)

// Newest is the version that new projects start with.
func Newest() Config {
	return Config{
		ID: Newstyle2026, valueFirst: true, ignoreLoneNonURL: true,
		maskSpawn: true, nameUnknownVariables: true,
	}
}

// ByID returns the version called id, and whether there is one.
func ByID(id string) (Config, bool) {
	switch id {
	case Newstyle2026:
		return Newest(), true
	case Newstyle2023:
		return Config{ID: Newstyle2023}, true
	}
	return Config{}, false
}
