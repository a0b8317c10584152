package artifact

// Reason is why a frame is as it came.
type Reason string

// The reasons.
const (
	Mapped         Reason = "mapped"            // it is not: the frame is resolved
	NotScript      Reason = "not_a_script"      // nothing is ever uploaded for such a frame
	NoMap          Reason = "no_map"            // nothing was uploaded that could be meant
	NoMapForScript Reason = "no_map_for_script" // the script was uploaded, its map was not
	WrongDebugID   Reason = "wrong_debug_id"    // a file of that name was uploaded with another debug id
	WrongRelease   Reason = "wrong_release"     // for another release
	WrongDist      Reason = "wrong_dist"        // for another dist of the release
	WrongURL       Reason = "wrong_url"         // for the release, under another address
	Unreadable     Reason = "unreadable_map"    // the map is damaged
	TooBig         Reason = "too_big"           // the map is larger than what is read
	WrongPlace     Reason = "wrong_place"       // the map has nothing for the frame's line and column: it is of another build
	NoLocation     Reason = "no_location"       // the frame names no line
	NoColumn       Reason = "no_column"         // the frame names no column
)
