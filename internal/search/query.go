package search

import (
	"iter"
	"time"
)

// What a search may hold. The bounds keep the worst query within the statement timeout.
const (
	MaxBytes = 4096 // of the text
	MaxTerms = 20
	MaxItems = 100 // of one list
	MaxDepth = 5   // of parentheses inside each other
)

// Query is a parsed search: terms that must all hold, of which FieldAny are alternatives. The zero value finds everything.
type Query struct {
	Terms []Term
}

// Leaves are the conditions of the search, those inside of alternatives too.
func (q Query) Leaves() iter.Seq[Term] {
	return func(yield func(Term) bool) { leaves(q.Terms, yield) }
}

func leaves(terms []Term, yield func(Term) bool) bool {
	for _, t := range terms {
		if t.Field != FieldAny {
			if !yield(t) {
				return false
			}
			continue
		}
		for _, alternative := range t.Any {
			if !leaves(alternative, yield) {
				return false
			}
		}
	}
	return true
}

// Asks reports whether a condition of the search is about the field.
func (q Query) Asks(f Field) bool {
	for t := range q.Leaves() {
		if t.Field == f {
			return true
		}
	}
	return false
}

// Term is one condition.
type Term struct {
	Field   Field
	Tag     string // the key when Field is FieldTag, FieldProperty or FieldContext
	Negated bool
	Op      Op      // how Values compare; OpEqual unless the field has an order
	Numeric bool    // a tag or property is compared as a number; always with KindReal
	Values  []Value // one, or several of a list: any may hold
	Pos     int     // byte offset in the text that was parsed
	// Any are alternatives, of FieldAny alone: the term holds when all terms of one of them do.
	Any [][]Term
}

// Op is how a value is compared.
type Op string

// The comparisons. A list is OpEqual with several values.
const (
	OpEqual     Op = ""
	OpGreater   Op = ">"
	OpGreaterEq Op = ">="
	OpLess      Op = "<"
	OpLessEq    Op = "<="
)

// Value is what a term compares with. Which field is set depends on the Kind of the term's Field.
type Value struct {
	Text   string        // KindText, KindWord: unescaped; a '*' that matches anything is a Wildcard rune
	Number int64         // KindNumber
	Real   float64       // KindReal, and KindText that is compared as a number: Term.Numeric
	Time   time.Time     // KindTime: a moment, UTC
	Ago    time.Duration // KindTime: relative; "-24h" is 24 h with OpGreaterEq, "+24h" with OpLessEq
	Day    bool          // KindTime: the whole UTC day that begins at Time
}

// Wildcard stands in Value.Text where the text had an unescaped asterisk. It is a private-use
// character, which the parser removes from what people type.
const Wildcard = '\uE000'

// HasWildcard reports whether v matches more than its own text.
func (v Value) HasWildcard() bool {
	for _, r := range v.Text {
		if r == Wildcard {
			return true
		}
	}
	return false
}

// Kind is the kind of value a field takes.
type Kind uint8

// The kinds of value.
const (
	KindText    Kind = iota // free or stored text: wildcards and lists
	KindWord                // one of the field's own words
	KindNumber              // integers, with order
	KindTime                // moments, with order
	KindReal                // numbers with decimals, with order
	KindVersion             // a version: with order, wildcards and lists
)

// Field is what a term looks at.
type Field uint8

// The fields of the language. FieldTag with its key covers every other word.
const (
	FieldText         Field = iota // free text: title, culprit
	FieldIs                        // is:unresolved
	FieldHas                       // has:key
	FieldTag                       // any tag of the issue's events
	FieldAssigned                  // assigned:me
	FieldLevel                     // level:error
	FieldPriority                  // issue.priority:high
	FieldCategory                  // issue.category:error
	FieldType                      // issue.type:error, event.type:csp
	FieldPlatform                  // platform:go
	FieldLogger                    // logger:root
	FieldRelease                   // release:1.0, any release the issue was seen in
	FieldFirstRelease              // firstRelease:1.0
	FieldEnvironment               // environment:prod
	FieldFirstSeen                 // firstSeen:-24h, age:-24h
	FieldLastSeen                  // lastSeen:+7d
	FieldTimesSeen                 // timesSeen:>100
	FieldUserCount                 // users:>10
	FieldErrorType                 // error.type:ValueError
	FieldErrorValue                // error.value:*boom*
	FieldTitle                     // title:*boom*
	FieldCulprit                   // culprit:*views*
	FieldUnhandled                 // error.unhandled:true, error.handled:false
	FieldUser                      // user:id:42, user.email:a@b.c
	FieldProject                   // project:checkout
	FieldIssue                     // issue:CHECKOUT-1A
	FieldIssueID                   // issue.id:42
	FieldProperty                  // stack.function:pay, http.method:POST: what one event has beside its tags
	FieldContext                   // lambda.memory:>128: a tag or a member of a context
	FieldEventID                   // id: of an event
	FieldProjectID                 // project.id:7
	FieldBookmarks                 // bookmarks:me
	FieldSubscribed                // subscribed:me
	FieldRegressedIn               // regressed_in_release:1.2
	FieldVersion                   // release.version:>=1.2
	FieldBuild                     // release.build:7
	FieldPackage                   // release.package:shop
	FieldStage                     // release.stage:adopted
	FieldTimestamp                 // timestamp:-1h: an event was seen then
	FieldDetector                  // detector:error
	FieldAny                       // a OR b, (…): alternatives
)

// Error says where a search stops making sense and what would have been right there.
type Error struct {
	Pos      int    // byte offset in the text
	Expected string // such as "a number"
	Text     string // the whole sentence
}

// Error is the sentence people read.
func (e *Error) Error() string { return e.Text }
