package ui

import (
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"
)

// Routes lists the routes of the pages as "METHOD path".
func (u *UI) Routes() []string {
	list := []string{"GET /o/{org}/live"}
	_ = chi.Walk(u.router, func(method, path string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if path != "/" {
			path = strings.TrimSuffix(path, "/")
		}
		list = append(list, method+" "+path)
		return nil
	})
	return list
}
