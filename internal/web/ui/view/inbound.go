package view

// InboundPage is a form of what a project drops or removes, and what that would do.
type InboundPage struct {
	Project  Project
	Heading  string
	About    string
	Action   string // where the form goes
	Current  string // tab
	Problem  string // that belongs to no field
	Switches []InboundSwitch
	Texts    []InboundText
	Preview  string // label of the button
	Result   *InboundResult
}

// InboundSwitch is one thing that is on or off.
type InboundSwitch struct {
	Name  string
	Label string
	Help  string
	On    bool
}

// InboundText is one text of several lines.
type InboundText struct {
	Name    string
	Label   string
	Help    string
	Value   string
	Problem string
}

// InboundResult is what the settings in the form would do.
type InboundResult struct {
	Sentence string
	Columns  []string
	Rows     [][]string
}
