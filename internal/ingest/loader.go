package ingest

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/tocsin-dev/tocsin/internal/dsn"
)

// loaderScript starts a client from its bundle once the page has something to report or asks for
// it. CONFIG is replaced by an object with dsn and bundle. What happens before the bundle is there
// is kept and handed over.
const loaderScript = `(function(w,d,c){
if(w.Sentry&&w.Sentry.init)return;
var early=[],hooks=[],ready=[],asked=false,lazy=true;
function load(){if(asked)return;asked=true;
var s=d.createElement("script");s.src=c.bundle;s.crossOrigin="anonymous";
s.addEventListener("load",function(){var S=w.Sentry;if(!S||!S.init)return;
w.removeEventListener("error",failed,true);w.removeEventListener("unhandledrejection",rejected);
var init=S.init;S.init=function(o){var m={dsn:c.dsn},k;for(k in o||{})m[k]=o[k];return init.call(S,m)};
if(typeof w.sentryOnLoad==="function")w.sentryOnLoad();
hooks.forEach(function(f){f()});hooks=[];S.onLoad=function(f){f()};S.forceLoad=function(){};
if(!S.getClient||!S.getClient())S.init();
ready.forEach(function(f){f()});ready=[];
early.forEach(function(e){S.captureException(e)});early=[];});
d.head.appendChild(s)}
function keep(e){if(early.length<50)early.push(e);if(lazy)load()}
function failed(e){if(e&&e.error)keep(e.error)}
function rejected(e){keep(e&&e.reason!==undefined?e.reason:e)}
w.addEventListener("error",failed,true);w.addEventListener("unhandledrejection",rejected);
var S=w.Sentry=w.Sentry||{};
S.onLoad=function(f){hooks.push(f);load()};S.forceLoad=load;
["captureException","captureMessage","captureEvent","addBreadcrumb","setUser","setTag","setTags","setExtra","setContext","showReportDialog"].forEach(function(n){
S[n]=function(){var a=arguments;ready.push(function(){w.Sentry[n].apply(w.Sentry,a)});if(n.indexOf("capture")===0||n==="showReportDialog")load()}});
var me=d.currentScript;if(me&&me.getAttribute("data-lazy")==="no"){lazy=false;load()}
})(window,document,CONFIG);
`

// noLoader is the script of a key that is not ours: pages must not break for it.
const noLoader = "// this client key is unknown or disabled\n"

// answerLoader answers GET /js-sdk-loader/{key}.js and .min.js with a script that pages embed to
// get their client. An unknown key gets a script that does nothing.
// Rule: getsentry/sentry src/sentry/web/frontend/js_sdk_loader.py
func (s *Service) answerLoader(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	h.Set("Content-Type", "text/javascript; charset=utf-8")
	h.Set("Cache-Control", "public, max-age=3600, s-maxage=60, stale-while-revalidate=315360000, stale-if-error=315360000")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write([]byte(s.loader(r))) // the client may have gone
	return nil
}

func (s *Service) loader(r *http.Request) string {
	name, ok := strings.CutSuffix(chi.URLParam(r, "script"), ".js")
	name = strings.TrimSuffix(name, ".min")
	key, err := dsn.ParseKey(name)
	if !ok || err != nil || s.cfg.LoaderBundle == "" {
		return noLoader
	}
	c, err := s.projects.lookup(key, 0)
	if err != nil {
		return noLoader
	}
	address := dsn.DSN{Scheme: s.scheme(r), Key: key, Host: r.Host, Project: c.project}
	if _, err := dsn.Parse(address.String()); err != nil { // a Host header that is none
		return noLoader
	}
	config, err := json.Marshal(map[string]string{"dsn": address.String(), "bundle": s.cfg.LoaderBundle})
	if err != nil {
		return noLoader
	}
	return strings.Replace(loaderScript, "CONFIG", string(config), 1)
}

// scheme is how the page reached us: what a trusted proxy says, else how the connection is.
func (s *Service) scheme(r *http.Request) string {
	if p := r.Header.Get("X-Forwarded-Proto"); (p == "http" || p == "https") && s.fromProxy(r) {
		return p
	}
	if r.TLS != nil {
		return "https"
	}
	return "http"
}
