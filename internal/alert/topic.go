package alert

// Topic is something people may want to hear of themselves.
type Topic string

// The topics.
const (
	TopicAlerts    Topic = "alerts"    // rules that name them, or issues they own
	TopicAssigned  Topic = "assigned"  // an issue is given to them
	TopicMentioned Topic = "mentioned" // a comment names them
	TopicWorkflow  Topic = "workflow"  // what happens to issues they subscribed to
	TopicReports   Topic = "reports"   // what happened in the week
)

// Topics lists the topics with what they are called.
var Topics = []struct {
	Topic Topic
	Label string
	About string
}{
	{TopicAlerts, "Alerts", "Alert rules that name you, your team, or the owners of an issue"},
	{TopicAssigned, "Assignments", "An issue is assigned to you"},
	{TopicMentioned, "Mentions", "A comment mentions you"},
	{TopicWorkflow, "Subscribed issues", "Comments, resolutions and regressions of issues you are subscribed to"},
	{TopicReports, "Weekly report", "What broke in your projects last week, once a week"},
}

// IsTopic reports whether the text names a topic.
func IsTopic(text string) bool {
	for _, t := range Topics {
		if string(t.Topic) == text {
			return true
		}
	}
	return false
}

// UnsubscribeUse is what the tokens of unsubscribe addresses are sealed for. They hold the ids of
// a user and a project, and a topic.
const UnsubscribeUse = "unsubscribe from mail"
