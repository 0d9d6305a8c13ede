-- The rule grids of practice, as data. {title} is a role: what it stands for in
-- the user's tables is found out, or mapped, when the template is applied.

CREATE FUNCTION lead_scoring.templates(OUT template text, OUT description text, OUT contents jsonb)
    RETURNS SETOF record
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    VALUES (
    'hubspot'::text, 'B2B with content marketing: four bands, and what to do in each.'::text, $json${
"fit_rule": [
  {"name": "CEO", "condition": "{title} {ceo}", "points": 15},
  {"name": "Over 50 employees", "condition": "{company_size} > 50", "points": 10},
  {"name": "Target sector", "condition": "{industry} {target_sector}", "points": 10},
  {"name": "Off-target sector", "condition": "{industry} {off_target_sector}", "points": -15}],
"engagement_rule": [
  {"name": "Pricing page", "dimension": "intent", "kind": "each", "condition": "{pricing_page}", "points": 20, "max_count": 1},
  {"name": "White paper", "kind": "each", "condition": "{white_paper}", "points": 10, "max_count": 1},
  {"name": "Webinar", "kind": "each", "condition": "{webinar}", "points": 25, "max_count": 1},
  {"name": "Demo form", "dimension": "intent", "kind": "each", "condition": "{demo_form}", "points": 30, "max_count": 1},
  {"name": "Opens three mails a month", "kind": "count", "condition": "{mail_open}", "distinct_by": "{mail?}",
   "points": 5, "at_least": 3, "within": "30 days"},
  {"name": "Compares prices", "dimension": "intent", "kind": "sequence", "steps": ["{pricing_page}", "{comparison_page}"],
   "step_order": "any", "within": "7 days", "points": 25},
  {"name": "Product page", "kind": "each", "condition": "{product_page}", "points": 15, "max_count": 1},
  {"name": "Product page, then two weeks of nothing", "kind": "inactive", "within": "14 days", "points": -10,
   "requires": "Product page"},
  {"name": "Silent for 60 days", "kind": "inactive", "within": "60 days", "points": -20},
  {"name": "No mail read for 60 days", "kind": "inactive", "condition": "{mail_engagement}", "within": "60 days", "points": -15}],
"threshold": [
  {"score": "total", "label": "very hot", "min_score": 80},
  {"score": "total", "label": "hot", "min_score": 50},
  {"score": "total", "label": "warm", "min_score": 20},
  {"score": "total", "label": "cold"}],
"action": [
  {"name": "immediate alert", "condition": "score.band = 'very hot'", "description": "Sales calls at once."},
  {"name": "priority sequence", "condition": "score.band = 'hot'", "description": "The sequence of mails for those nearly ready."},
  {"name": "standard nurturing", "condition": "score.band = 'warm'", "description": "The ordinary mails."},
  {"name": "long term", "condition": "score.band = 'cold'", "description": "Now and then a mail."},
  {"name": "pause", "condition": "score.total < 30 AND score.stage_age > interval '90 days'",
   "description": "No mails any more: three months in a stage, and few points."}]
}$json$::jsonb),
    ('guide', 'B2B with a small sales team: marketing qualifies at 80.', $json${
"fit_rule": [
  {"name": "Over 50 employees", "condition": "{company_size} > 50", "points": 10},
  {"name": "Manager or decision maker", "condition": "{title} {decision_maker}", "points": 5},
  {"name": "Non-priority sector", "condition": "{industry} {off_target_sector}", "points": -10},
  {"name": "Private mail address", "condition": "{email} {private_mail}", "points": -20}],
"engagement_rule": [
  {"name": "Strategic white paper", "kind": "each", "condition": "{strategic_white_paper}", "distinct_by": "{asset?}",
   "points": 25, "max_count": 3},
  {"name": "Pricing or product page", "dimension": "intent", "kind": "each", "condition": "({pricing_page}) OR ({product_page})",
   "points": 20, "max_count": 3},
  {"name": "Three newsletters in a row", "kind": "streak", "condition": "{newsletter_sent}", "hit": "{newsletter_opened}",
   "distinct_by": "{mail}", "at_least": 3, "points": 15},
  {"name": "Silent for 30 days", "kind": "inactive", "within": "30 days", "points": -30}],
"threshold": [
  {"score": "fit", "label": "A", "min_score": 15},
  {"score": "fit", "label": "B", "min_score": 5}],
"transition": [
  {"from_stage": "lead", "to_stage": "mql", "condition": "score.total >= 80", "description": "Marketing calls it qualified."}]
}$json$),
    ('saas', 'Software that people try before they buy.', $json${
"fit_rule": [
  {"name": "Good source", "condition": "{lead_source} {good_source}", "points": 15},
  {"name": "11 to 50 employees", "condition": "{company_size} BETWEEN 11 AND 50", "points": 5},
  {"name": "51 to 500 employees", "condition": "{company_size} BETWEEN 51 AND 500", "points": 15},
  {"name": "Over 500 employees", "condition": "{company_size} > 500", "points": 20}],
"engagement_rule": [
  {"name": "Pricing page", "dimension": "intent", "kind": "each", "condition": "{pricing_page}", "points": 15, "max_count": 1},
  {"name": "Integrations or documentation", "kind": "each", "condition": "{documentation_page}", "points": 10, "max_count": 1},
  {"name": "Signed up", "dimension": "intent", "kind": "each", "condition": "{sign_up}", "points": 20, "max_count": 1},
  {"name": "Uses the product", "kind": "count", "condition": "{product_use}", "points": 25, "at_least": 5, "within": "7 days"},
  {"name": "Does not use the product", "kind": "inactive", "condition": "{product_use}", "within": "14 days",
   "if_never": "created", "points": -20}],
"threshold": [
  {"score": "total", "label": "hot", "min_score": 70},
  {"score": "total", "label": "warm", "min_score": 40},
  {"score": "total", "label": "cold"},
  {"score": "engagement", "label": "1", "min_score": 25},
  {"score": "engagement", "label": "2", "min_score": 10}],
"transition": [
  {"from_stage": "lead", "to_stage": "mql", "condition": "score.total >= 70", "description": "To a sales rep."}],
"action": [
  {"name": "to a sales rep", "condition": "score.band = 'hot'", "description": "A person takes over."},
  {"name": "use cases", "condition": "score.band = 'warm'", "description": "What others do with the product."},
  {"name": "education", "condition": "score.band = 'cold'", "description": "What the product is good for."}]
}$json$),
    ('ecommerce', 'A shop: who is about to buy, and who left a basket.', $json${
"engagement_rule": [
  {"name": "Abandoned basket", "dimension": "intent", "kind": "each", "condition": "{basket}", "unless": "{order}",
   "after": "1 hour", "within": "30 days", "max_count": 1, "points": 30},
  {"name": "Delivery page", "dimension": "intent", "kind": "each", "condition": "{delivery_page}", "points": 20, "max_count": 1},
  {"name": "Three product visits", "kind": "count", "condition": "{product_page}", "points": 15, "at_least": 3},
  {"name": "Silent for 45 days", "kind": "inactive", "within": "45 days", "points": -15}],
"threshold": [
  {"score": "total", "label": "hot", "min_score": 60},
  {"score": "total", "label": "warm", "min_score": 20},
  {"score": "total", "label": "cold"},
  {"score": "engagement", "label": "1", "min_score": 15},
  {"score": "engagement", "label": "2", "min_score": 0}],
"transition": [
  {"from_stage": "lead", "to_stage": "mql", "condition": "score.total >= 60", "description": "About to buy."}],
"action": [
  {"name": "personal offer", "condition": "score.band = 'hot'", "description": "An offer made for this person."}]
}$json$);
END;
COMMENT ON FUNCTION lead_scoring.templates() IS
    'The templates: name, what they are for, and their rows, in which {role} is what apply_template() fills in.';
