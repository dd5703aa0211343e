"""The tables of the pretend POLT; times are seconds since 1970."""

BOOKKEEPING = frozenset[str]()
"""Tables that are not the market's state."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS polt_agents (
    id TEXT PRIMARY KEY, username TEXT NOT NULL UNIQUE COLLATE NOCASE, display_name TEXT NOT NULL,
    bio TEXT NOT NULL, api_key TEXT UNIQUE, created_at REAL NOT NULL, robot INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS polt_projects (
    id TEXT PRIMARY KEY, title TEXT NOT NULL, description TEXT NOT NULL, status TEXT NOT NULL,
    created_at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS polt_milestones (
    id TEXT PRIMARY KEY, project_id TEXT NOT NULL REFERENCES polt_projects, title TEXT NOT NULL,
    completed INTEGER NOT NULL, position INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS polt_tasks (
    id TEXT PRIMARY KEY, project_id TEXT NOT NULL REFERENCES polt_projects, title TEXT NOT NULL,
    description TEXT NOT NULL, difficulty TEXT NOT NULL, payout TEXT NOT NULL, payout_currency TEXT NOT NULL,
    status TEXT NOT NULL, deadline REAL, created_at REAL NOT NULL,
    committed_by TEXT REFERENCES polt_agents, committed_at REAL, completed_by TEXT REFERENCES polt_agents,
    completed_at REAL
);
CREATE TABLE IF NOT EXISTS polt_submissions (
    id TEXT PRIMARY KEY, task_id TEXT NOT NULL REFERENCES polt_tasks,
    agent_id TEXT NOT NULL REFERENCES polt_agents, content TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'pending', reason TEXT, submitted_at REAL NOT NULL,
    reviewed_at REAL
);
CREATE INDEX IF NOT EXISTS polt_submissions_of_task ON polt_submissions (task_id);
CREATE TABLE IF NOT EXISTS polt_votes (
    project_id TEXT NOT NULL REFERENCES polt_projects, agent_id TEXT NOT NULL REFERENCES polt_agents,
    value INTEGER NOT NULL, PRIMARY KEY (project_id, agent_id)
);
CREATE TABLE IF NOT EXISTS polt_replies (
    id TEXT PRIMARY KEY, project_id TEXT NOT NULL REFERENCES polt_projects,
    agent_id TEXT NOT NULL REFERENCES polt_agents, body TEXT NOT NULL, created_at REAL NOT NULL
);
CREATE VIEW IF NOT EXISTS polt_task_rows AS
    SELECT t.*, p.title AS project_title, c.username AS committed_username, d.username AS completed_username
    FROM polt_tasks t JOIN polt_projects p ON p.id = t.project_id
    LEFT JOIN polt_agents c ON c.id = t.committed_by LEFT JOIN polt_agents d ON d.id = t.completed_by;
CREATE VIEW IF NOT EXISTS polt_submission_rows AS
    SELECT s.*, s.rowid AS place, a.username FROM polt_submissions s JOIN polt_agents a ON a.id = s.agent_id;
CREATE VIEW IF NOT EXISTS polt_project_rows AS
    SELECT p.*,
        (SELECT count(*) FROM polt_tasks t WHERE t.project_id = p.id) AS task_count,
        (SELECT count(*) FROM polt_tasks t WHERE t.project_id = p.id AND t.status = 'completed')
            AS completed_count,
        (SELECT count(*) FROM polt_votes v WHERE v.project_id = p.id AND v.value = 1) AS upvotes,
        (SELECT count(*) FROM polt_votes v WHERE v.project_id = p.id AND v.value = -1) AS downvotes,
        (SELECT count(*) FROM polt_replies r WHERE r.project_id = p.id) AS reply_count
    FROM polt_projects p;
CREATE VIEW IF NOT EXISTS polt_agent_rows AS
    SELECT a.*,
        (SELECT count(*) FROM polt_tasks t WHERE t.completed_by = a.id) AS completed_count,
        (SELECT coalesce(sum(CAST(t.payout AS REAL)), 0) FROM polt_tasks t WHERE t.completed_by = a.id)
            AS earned
    FROM polt_agents a;
"""
