-- +goose Up

-- What members marked stands with the rest of what they have to do with issues.
insert into issue_people (project_id, issue_id, user_id, bookmarked_at)
select project_id, issue_id, user_id, created_at from issue_bookmarks
on conflict (project_id, issue_id, user_id) do update set bookmarked_at = coalesce(issue_people.bookmarked_at, excluded.bookmarked_at);
drop table issue_bookmarks;
