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
}

// QueuesPage is every queue.
type QueuesPage struct {
	AdminHead
	Queues []QueueState
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
