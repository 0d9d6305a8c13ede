-- Values that are none of those that a column may have: what is wrong, and what to write.

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS lead_scoring;
CREATE SCHEMA words;
SET search_path = words;
CREATE TABLE c (id int PRIMARY KEY, s int);
SELECT lead_scoring.create_model('m', 'c', 'id');
INSERT INTO lead_scoring.stage(model,name,position,outcome) VALUES ('m','zz',99,'winning');
INSERT INTO lead_scoring.action(model,name,condition,on_edge) VALUES ('m','a','score.total > 5','entered');
INSERT INTO lead_scoring.action(model,name,condition,max_age) VALUES ('m','a','score.total > 5','-1 day');
INSERT INTO lead_scoring.action(model,name,condition,channel) VALUES ('m','a','score.total > 5','');
INSERT INTO lead_scoring.threshold(model,score,label,min_score) VALUES ('m','totl','x',3);
INSERT INTO lead_scoring.threshold(model,score,label,min_score) VALUES ('m','total','',3);
INSERT INTO lead_scoring.rule_group(model,name,dimension) VALUES ('m','g','fitness');
INSERT INTO lead_scoring.transition(model,from_stage,to_stage,condition) VALUES ('m','lead','lead','score.total > 5');
INSERT INTO lead_scoring.engagement_rule(model,name,kind,points) VALUES ('m','x','every',3);
INSERT INTO lead_scoring.engagement_rule(model,name,kind,points,dimension) VALUES ('m','x','each',3,'fit');
INSERT INTO lead_scoring.fit_rule(model,name,condition,points) VALUES ('m','x','s > 3','NaN');
UPDATE lead_scoring.model SET fit_floor = 5, fit_ceiling = 3;
INSERT INTO lead_scoring.fit_rule(model,name,condition,points) VALUES ('m','x','s > 3',4);

-- What people say by hand: the names of constraints say it. Rows are not shown.
SELECT lead_scoring.activate('m');
\set VERBOSITY terse
INSERT INTO m_adjustment(contact_id,kind,points) VALUES (1,'point',5);
INSERT INTO m_adjustment(contact_id,kind) VALUES (1,'points');
INSERT INTO m_adjustment(contact_id,kind,points) VALUES (1,'exclude',5);
INSERT INTO m_adjustment(contact_id,points,valid_until) VALUES (1,5,'2000-01-01');
INSERT INTO m_adjustment(contact_id,points) VALUES (1,'NaN');
INSERT INTO m_adjustment(contact_id,points, dimension) VALUES (1,4,'x');
\set VERBOSITY default
SELECT lead_scoring.drop_model('m');
DROP SCHEMA words CASCADE;
