package api

import (
	"net/http"

	"github.com/tocsin-dev/tocsin/internal/account"
)

// Scopes of uploads. Any one of a list suffices.
// Rule: getsentry/sentry src/sentry/api/bases/project.py (ProjectReleasePermission)
var (
	readUploads   = []account.Scope{account.ProjectRead, account.ProjectReleases, account.OrgCI}
	writeUploads  = []account.Scope{account.ProjectWrite, account.ProjectReleases, account.OrgCI}
	deleteUploads = []account.Scope{account.ProjectAdmin, account.ProjectReleases}
)

// uploadRoutes are the routes of what is uploaded to make stacks readable.
func (s *Service) uploadRoutes() []route {
	const get, put, post, del = http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete
	const org, proj, ours = "/api/0/organizations/{org}/", "/api/0/projects/{org}/{project}/", "/api/v1/projects/{org}/{project}/"
	list := []route{
		{get, org + "chunk-upload/", readUploads, false, s.chunkOptions},
		{post, org + "chunk-upload/", writeUploads, false, s.putChunks},
		{post, org + "artifactbundle/assemble/", writeUploads, false, s.assembleBundle},
		{post, org + "releases/{release}/assemble/", writeUploads, false, s.assembleRelease},
		{get, proj + "files/source-maps/", readUploads, false, s.sourceMaps},
		{del, proj + "files/source-maps/", deleteUploads, false, s.deleteSourceMaps},
		{get, proj + "files/artifact-bundles/", readUploads, false, s.bundles},
		{del, proj + "files/artifact-bundles/", deleteUploads, false, s.deleteBundle},
		{get, proj + "files/artifact-bundles/{bundle}/files/", readUploads, false, s.bundleFiles},
		{post, proj + "files/difs/assemble/", writeUploads, false, s.assembleFiles},
		{get, proj + "files/dsyms/", readUploads, false, s.debugFiles},
		{post, proj + "files/dsyms/", writeUploads, false, s.addDebugFiles},
		{del, proj + "files/dsyms/", deleteUploads, false, s.deleteDebugFile},
		{get, proj + "files/dsyms/unknown/", readUploads, false, s.unknownDebugFiles},
		{post, proj + "files/dsyms/associate/", writeUploads, false, s.associateDebugFiles},
		{post, proj + "files/proguard-artifact-releases/", writeUploads, false, s.addProguardRelease},
		{get, proj + "events/{event}/source-map-debug-blue-thunder-edition/", readProject, false, s.sourceMapDebug},
		{get, ours + "events/{event}/source-maps/", readProject, false, s.sourceMapDoctor},
		{post, ours + "source-maps/check/", readProject, false, s.checkSourceMap},
	}
	for _, base := range []string{org, proj} { // one handler for both forms
		files := base + "releases/{release}/files/"
		list = append(list,
			route{get, files, readUploads, false, s.releaseFiles},
			route{post, files, writeUploads, false, s.addReleaseFile},
			route{get, files + "{id}/", readUploads, false, s.releaseFile},
			route{put, files + "{id}/", writeUploads, false, s.renameReleaseFile},
			route{del, files + "{id}/", deleteUploads, false, s.deleteReleaseFile},
		)
	}
	return list
}
