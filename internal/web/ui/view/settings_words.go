package view

func removeWord(m *Member) string {
	switch {
	case m.Pending:
		return "Take back"
	case m.Self:
		return "Leave"
	}
	return "Remove"
}

func removeWarning(m *Member) string {
	switch {
	case m.Pending:
		return "The link of this invite stops working."
	case m.Self:
		return "You lose access to this organization, and your tokens for it end."
	}
	return m.Email + " loses access, and their tokens for this organization end."
}

func secretHint(stored bool) string {
	if stored {
		return "unchanged"
	}
	return ""
}
