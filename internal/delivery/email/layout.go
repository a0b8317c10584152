package email

import (
	"html/template"

	"github.com/tocsin-dev/tocsin/internal/delivery"
)

// view is what the page of a message shows.
type view struct {
	*delivery.Message
	Unsubscribe string
}

// layout is plain on purpose: tables and inline styles are what mail programs understand, and no
// picture tells anybody that the mail was opened.
var layout = template.Must(template.New("mail").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{{.Subject}}</title></head>
<body style="margin:0;background:#f6f7f9;color:#1b1f24;font:15px/1.5 system-ui,sans-serif">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0"><tr><td align="center" style="padding:16px">
<table role="presentation" width="600" cellpadding="0" cellspacing="0" style="max-width:600px;width:100%;background:#fff;border:1px solid #d9dde3;border-top:4px solid {{.Color}}">
<tr><td style="padding:20px">
<p style="margin:0;color:#555f6b">{{if .Test}}Test: {{end}}{{.What}}</p>
<h1 style="margin:4px 0 8px;font-size:19px;line-height:1.3;word-break:break-word"><a href="{{.TitleURL}}" style="color:#0a58ca;text-decoration:none">{{.Title}}</a></h1>
{{with .Culprit}}<p style="margin:0 0 12px;color:#555f6b">{{.}}</p>{{end}}
{{with .Text}}<p style="margin:0 0 12px;white-space:pre-wrap">{{.}}</p>{{end}}
{{with .Code}}<pre style="margin:0 0 12px;padding:10px;background:#f6f7f9;overflow:auto;font:13px/1.45 ui-monospace,monospace;white-space:pre-wrap">{{.}}</pre>{{end}}
{{with .Facts}}<table role="presentation" cellpadding="0" cellspacing="0" style="margin:0 0 12px">
{{range .}}<tr><th align="left" valign="top" style="padding:2px 16px 2px 0;color:#555f6b;font-weight:normal">{{.Label}}</th><td style="padding:2px 0">{{.Text}}</td></tr>
{{end}}</table>{{end}}
{{with .Items}}<ul style="margin:0 0 12px;padding:0 0 0 18px">
{{range .}}<li style="margin:0 0 6px"><a href="{{.URL}}" style="color:#0a58ca">{{.Title}}</a><br><span style="color:#555f6b">{{.Text}}</span></li>
{{end}}</ul>{{end}}
{{with .Notes}}<p style="margin:0 0 12px;white-space:pre-wrap">{{.}}</p>{{end}}
<p style="margin:16px 0 0"><a href="{{.TitleURL}}" style="display:inline-block;padding:8px 14px;background:#0a58ca;color:#fff;text-decoration:none">Open</a></p>
</td></tr>
<tr><td style="padding:12px 20px;border-top:1px solid #d9dde3;color:#555f6b;font-size:13px">
{{range $i, $f := .Footer}}{{if $i}} · {{end}}{{.Label}}: {{if .URL}}<a href="{{.URL}}" style="color:#555f6b">{{.Text}}</a>{{else}}{{.Text}}{{end}}{{end}}
{{with .Unsubscribe}}<br><a href="{{.}}" style="color:#555f6b">No more mail like this</a>{{end}}
</td></tr></table></td></tr></table></body></html>
`))
