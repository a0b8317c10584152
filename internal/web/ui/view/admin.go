package view

import (
	"sort"
	"time"
)

// AdminHead is what every page of the installation's operators has.
type AdminHead struct{ Tabs []Link }

// HealthPage is the state of the installation, one sentence first.
type HealthPage struct {
	AdminHead
	Sentence string
	Good     bool
	Parts    []HealthPart
	Queues   []QueueState
	Storage  Storage
}

// HealthPart is one thing that everything else depends on.
type HealthPart struct {
	Name, Note string
	OK         bool
}

// QueueState is one queue as it is now.
type QueueState struct {
	Name, About, Consumer, Policy string
	Dead                          bool // it holds dead letters
	Packs                         uint64
	Bytes                         int64
	Waiting                       uint64
	InHand                        int
	Age                           time.Duration
	OldestAt                      time.Time
	Paused, PausedBy              string // why and by whom; empty: it is not
	PausedAt                      time.Time
	PausedUntil                   time.Time // zero: until it is resumed
}

// QueuesPage is every queue, and what was done to them.
type QueuesPage struct {
	AdminHead
	Queues  []QueueState
	Actions []OperatorLine
}

// OperatorLine is something an operator did.
type OperatorLine struct {
	Who, What, Target, Reason string
	At                        time.Time
}

// DeadPage is the dead letters by their error.
type DeadPage struct {
	AdminHead
	Groups []DeadGroup
	Whole  bool // false: there are more than were looked at
	Total  int
	Runs   []RunLine
}

// Going reports whether a run is not over.
func (v DeadPage) Going() bool {
	for i := range v.Runs {
		if v.Runs[i].Going {
			return true
		}
	}
	return false
}

// DeadGroup is the dead letters of one error.
type DeadGroup struct {
	ID, Queue, Service, Error, Href string
	Count                           int
	Bytes                           int64
	FirstAt, LastAt                 time.Time
}

// RunLine is a replay or discard of letters, and how far it is.
type RunLine struct {
	ID, Kind, What, Who, Reason, Error string
	At                                 time.Time
	Total, Done, Failed                int64
	Going                              bool
}

// Words tell how far a run is.
func (r RunLine) Words() string {
	done := map[string]string{"replay": "Replayed ", "discard": "Discarded "}[r.Kind] + Long(r.Done)
	if r.Going {
		done += " of " + Long(r.Total) + " so far"
	}
	if r.Failed > 0 {
		done += ", " + Long(r.Failed) + " stay"
	}
	return done
}

// DeadGroupPage is the letters of one error.
type DeadGroupPage struct {
	AdminHead
	ID, Error, Queue, Here string
	Letters                []DeadLine
	More                   bool
	Tried, Pass            int
}

// DeadLine is one dead letter in a list. Verdict is empty when it was not tried.
type DeadLine struct {
	ID, Href, Event, Project, Verdict, Why string
	Attempts                               int
	FirstAt, LastAt                        time.Time
	Bytes                                  int64
}

// DeadLetterPage is one dead letter.
type DeadLetterPage struct {
	AdminHead
	ID, Queue, Service, Error, Stack, Group, Here string
	Event, Project, Client                        string
	Verdict, Why                                  string
	Attempts                                      int
	FirstAt, LastAt, ReceivedAt                   time.Time
	Bytes                                         int64
	Payload                                       []Node
}

// GraphPage is who may call, publish and consume what.
type GraphPage struct {
	AdminHead
	Services []ServiceBox
	Edges    []EdgeLine
}

// ServiceBox is one service, where it is drawn.
type ServiceBox struct {
	Name, About string
	X, Y        int
}

// EdgeLine is one binding with its state.
type EdgeLine struct {
	Kind, Name, From, To, About, Note, Live string
	X1, Y1, X2, Y2                          int
}

// Sizes of the drawing.
const (
	boxWidth, boxHeight = 150, 44
	graphWidth          = 900
	graphHeight         = 210
)

// spots are where services stand, in the order that events take; others follow below.
var spots = map[string][2]int{"ingest": {20, 20}, "processor": {370, 20}, "notifier": {720, 20}, "web": {370, 150}, "admin": {20, 150}}

// Arrange gives services and edges their places.
func (v *GraphPage) Arrange() {
	sort.Slice(v.Services, func(i, j int) bool { return v.Services[i].Name < v.Services[j].Name })
	at := make(map[string][2]int)
	for i := range v.Services {
		s := &v.Services[i]
		p, ok := spots[s.Name]
		if !ok {
			p = [2]int{720, 150}
		}
		s.X, s.Y = p[0], p[1]
		at[s.Name] = p
	}
	if _, known := at["admin"]; !known {
		at["admin"] = spots["admin"]
		v.Services = append(v.Services, ServiceBox{Name: "admin", About: "the operator's command line", X: spots["admin"][0], Y: spots["admin"][1]})
	}
	for i := range v.Edges {
		e := &v.Edges[i]
		a, b := at[e.From], at[e.To]
		e.X1, e.Y1, e.X2, e.Y2 = a[0]+boxWidth/2, a[1]+boxHeight/2, b[0]+boxWidth/2, b[1]+boxHeight/2
	}
}
