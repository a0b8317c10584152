package ingest

import (
	"encoding/json"
	"net/http"
	"net/mail"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/dsn"
	"github.com/tocsin-dev/tocsin/internal/envelope"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/outcome"
)

// dialogScript asks a user what happened, in a window over the page, and sends the answer to where it
// came from. CONFIG is replaced by an object with action, the texts and what is known of the user. It
// sets styles by properties, which a page's policy does not forbid, and texts as texts. The client
// waits for the message that the window is closed.
const dialogScript = `(function(w,d,c){
function make(tag,style,text){var e=d.createElement(tag);for(var k in style)e.style[k]=style[k];if(text)e.textContent=text;return e}
var font="14px/1.45 system-ui,sans-serif",before=d.activeElement;
var back=make("div",{position:"fixed",top:"0",left:"0",right:"0",bottom:"0",zIndex:"2147483000",background:"rgba(15,18,22,.6)",overflow:"auto",font:font});
var form=make("form",{maxWidth:"520px",margin:"8vh auto",padding:"24px",background:"#fff",color:"#1b1f24",borderRadius:"4px",boxSizing:"border-box"});
form.className="sentry-error-embed";form.setAttribute("role","dialog");form.setAttribute("aria-modal","true");form.setAttribute("aria-labelledby","tocsin-dialog-title");
var head=make("h2",{margin:"0 0 4px",font:"600 20px system-ui,sans-serif"},c.title);head.id="tocsin-dialog-title";
form.appendChild(head);form.appendChild(make("p",{margin:"0"},c.subtitle));form.appendChild(make("p",{margin:"0 0 12px",color:"#555f6b"},c.subtitle2));
var said=make("p",{margin:"0 0 8px",color:"#b4231f"});said.setAttribute("role","alert");form.appendChild(said);
function field(name,label,value,tag){var l=make("label",{display:"block",margin:"0 0 12px"},label);
var i=make(tag||"input",{display:"block",width:"100%",boxSizing:"border-box",padding:"8px",font:font,border:"1px solid #7d8794",borderRadius:"4px",color:"#1b1f24",background:"#fff"});
i.name=name;i.required=true;i.value=value||"";if(name==="email")i.type="email";if(tag){i.rows=5;i.maxLength=4096}l.appendChild(i);form.appendChild(l);return i}
var first=field("name",c.labelName,c.name);field("email",c.labelEmail,c.email);field("comments",c.labelComments,"","textarea");
function button(label,main){var b=make("button",{font:font,padding:"8px 16px",marginRight:"8px",borderRadius:"4px",border:"1px solid #0a58ca",cursor:"pointer",background:main?"#0a58ca":"#fff",color:main?"#fff":"#0a58ca"},label);b.type=main?"submit":"button";form.appendChild(b);return b}
var send=button(c.labelSubmit,true),shut=button(c.labelClose,false);
function close(){if(!back.parentNode)return;back.parentNode.removeChild(back);d.removeEventListener("keydown",key,true);if(before&&before.focus)before.focus();w.postMessage("__sentry_reportdialog_closed__","*")}
function key(e){if(e.key==="Escape"){close();return}
if(e.key!=="Tab")return;var all=form.querySelectorAll("input,textarea,button"),a=d.activeElement;
if(e.shiftKey&&a===all[0]){e.preventDefault();all[all.length-1].focus()}else if(!e.shiftKey&&a===all[all.length-1]){e.preventDefault();all[0].focus()}}
shut.onclick=close;
form.onsubmit=function(e){e.preventDefault();send.disabled=true;said.textContent="";
var parts=[],f=["name","email","comments"];for(var i=0;i<f.length;i++)parts.push(f[i]+"="+encodeURIComponent(form.elements[f[i]].value));
var x=new XMLHttpRequest();x.open("POST",c.action);x.setRequestHeader("Content-Type","application/x-www-form-urlencoded");
x.onload=function(){send.disabled=false;
if(x.status===200){form.textContent="";form.appendChild(make("p",{margin:"0 0 12px"},c.successMessage));shut=button(c.labelClose,false);shut.onclick=close;shut.focus();return}
said.textContent=x.status===400?c.errorFormEntry:c.errorGeneric};
x.onerror=function(){send.disabled=false;said.textContent=c.errorGeneric};x.send(parts.join("&"))};
back.appendChild(form);d.body.appendChild(back);d.addEventListener("keydown",key,true);first.focus();
})(window,document,CONFIG);
`

// dialogTexts are the texts of the dialog that a page may replace.
// Rule: https://docs.sentry.io/platforms/javascript/user-feedback/configuration/#crash-report-modal
var dialogTexts = map[string]string{
	"title": "It looks like we’re having issues.", "subtitle": "Our team has been notified.",
	"subtitle2": "If you’d like to help, tell us what happened below.", "labelName": "Name", "labelEmail": "Email",
	"labelComments": "What happened?", "labelClose": "Close", "labelSubmit": "Submit crash report",
	"errorGeneric":   "An unknown error occurred while submitting your report. Please try again.",
	"errorFormEntry": "Some fields were invalid. Please correct the errors and try again.",
	"successMessage": "Your feedback has been sent. Thank you!",
}

// Bounds on what a page or a user puts into the dialog.
const (
	maxDialogText = 512      // bytes of a text of the page
	maxDialogBody = 64 << 10 // bytes of an answer
	maxComments   = 4096     // characters of what happened
	scriptType    = "text/javascript; charset=utf-8"
	noDialog      = "// there is no event to report on, or the client key is unknown or disabled\n"
)

// showDialog answers GET /api/embed/error-page/ with the script that asks a user what happened. The
// page names its DSN, the event and its own texts in the query.
// Rule: getsentry/sentry src/sentry/web/frontend/error_page_embed.py
func (s *Service) showDialog(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	h := w.Header()
	h.Set("Content-Type", scriptType)
	h.Set("X-Content-Type-Options", "nosniff")
	script := noDialog
	d, err := dsn.Parse(q.Get("dsn"))
	if err == nil {
		_, err = s.projects.lookup(d.Key, d.Project)
	}
	if _, bad := event.ParseID(q.Get("eventId")); err == nil && bad == nil {
		config := map[string]string{"action": s.scheme(r) + "://" + r.Host + r.URL.Path + "?" + r.URL.RawQuery,
			"name": clip(q.Get("name"), maxDialogText), "email": clip(q.Get("email"), maxDialogText)}
		for name, text := range dialogTexts {
			if own := q.Get(name); own != "" {
				text = clip(own, maxDialogText)
			}
			config[name] = strings.ToValidUTF8(text, "\uFFFD")
		}
		text, err := json.Marshal(config) // which writes < and > as escapes
		if err != nil {
			return fault.Wrap(err, fault.Internal, "encode the dialog")
		}
		script = strings.Replace(dialogScript, "CONFIG", string(text), 1)
	} else {
		w.WriteHeader(http.StatusNotFound)
	}
	_, _ = w.Write([]byte(script)) // the client may have gone
	return nil
}

// acceptDialog answers POST /api/embed/error-page/, what a user wrote in the dialog, which becomes a
// report about its event. Fields that are missing or wrong: 400 with a list for each.
func (s *Service) acceptDialog(w http.ResponseWriter, r *http.Request) error {
	q, err := s.describe(r, outcome.Feedback)
	if err != nil {
		return err
	}
	d, err := dsn.Parse(q.query.Get("dsn"))
	if err != nil {
		return dsn.ErrMissing
	}
	q.project = d.Project
	if err := s.admit(q, dsn.Auth{Key: d.Key, Version: dsn.Version}); err != nil {
		return err
	}
	id, err := event.ParseID(q.query.Get("eventId"))
	if err != nil {
		s.drop(q, outcome.Feedback, outcome.Invalid, outcome.ReasonPayload, 1)
		return fault.New(fault.Invalid, "bad event id")
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxDialogBody)
	if err := r.ParseForm(); err != nil {
		s.drop(q, outcome.Feedback, outcome.Invalid, outcome.ReasonPayload, 1)
		return fault.Wrap(err, fault.Invalid, "invalid request body")
	}
	report, wrong := readDialog(r)
	if len(wrong) > 0 {
		s.drop(q, outcome.Feedback, outcome.Invalid, outcome.ReasonPayload, 1)
		return answerFields(w, wrong)
	}
	payload, err := json.Marshal(report)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "encode a report")
	}
	env := envelope.Envelope{Header: envelope.Header{EventID: id}, Items: []envelope.Item{{Type: event.ItemUserReport, Count: -1, Payload: payload}}}
	rec, err := s.accept(r.Context(), q, &env)
	if err != nil {
		return s.failed(w, rec, err)
	}
	setLimits(w, rec)
	w.Header()["Content-Type"] = jsonType
	_, _ = w.Write([]byte("{}")) // as above
	return nil
}

// readDialog reads the fields of an answer, and says what is wrong with which.
func readDialog(r *http.Request) (report map[string]string, wrong map[string][]string) {
	report, wrong = map[string]string{}, map[string][]string{}
	for _, name := range []string{"name", "email", "comments"} {
		v := strings.TrimSpace(r.PostFormValue(name))
		switch {
		case v == "":
			wrong[name] = []string{"This field is required."}
		case name == "email" && !isAddress(v):
			wrong[name] = []string{"Enter a valid email address."}
		case len([]rune(v)) > maxComments:
			wrong[name] = []string{"This is too long; at most 4096 characters are kept."}
		}
		report[name] = v
	}
	return report, wrong
}

// isAddress reports whether a text is a mail address and nothing else.
func isAddress(text string) bool {
	a, err := mail.ParseAddress(text)
	return err == nil && a.Address == text
}

// answerFields answers 400 with what is wrong, by field.
func answerFields(w http.ResponseWriter, wrong map[string][]string) error {
	body, err := json.Marshal(map[string]any{"errors": wrong})
	if err != nil {
		return fault.Wrap(err, fault.Internal, "encode the errors of fields")
	}
	w.Header()["Content-Type"] = jsonType
	w.WriteHeader(http.StatusBadRequest)
	_, _ = w.Write(body) // the client may have gone
	return nil
}
