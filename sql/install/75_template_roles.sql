-- What the roles of the templates stand for.

CREATE FUNCTION lead_scoring.template_roles(
    OUT role text, OUT kind text, OUT about text, OUT fallback jsonb
) RETURNS SETOF record
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    VALUES
    -- Columns, by the names that they often have.
    ('title'::text, 'text'::text, 'contact'::text, '["title", "job_title", "position", "job", "function", "role"]'::jsonb),
    ('company_size', 'number', 'contact', '["company_size", "employees", "number_of_employees", "employee_count", "headcount", "size"]'),
    ('industry', 'text', 'contact', '["industry", "sector", "branch"]'),
    ('email', 'text', 'contact', '["email", "email_address", "mail"]'),
    ('lead_source', 'text', 'contact', '["lead_source", "source", "original_source", "utm_source"]'),
    ('type', 'text', 'event', '["type", "event_type", "event", "event_name", "kind"]'),
    ('page', 'text', 'event', '["page", "url", "path", "page_url", "page_path", {"key": "page"}]'),
    ('asset', 'any', 'event', '["asset", "asset_id", "asset_name", "content", "content_id", "document", "file"]'),
    ('mail', 'any', 'event', '["mail", "mail_id", "email_id", "message_id", "newsletter", "newsletter_id", "campaign", "campaign_id"]'),
    -- Values of those columns, with their operator: of types the words themselves,
    -- of all else patterns; one, or several of which any will do.
    ('ceo', 'value', 'title', '"%CEO%"'),
    ('decision_maker', 'value', 'title',
        '["%manager%", "%director%", "%head of%", "%chief%", "%CEO%", "%CTO%", "%CFO%", "%CMO%", "%VP%", "%president%", "%founder%", "%owner%"]'),
    ('target_sector', 'value', 'industry', '["IT", "Information Technology", "Software", "SaaS"]'),
    ('off_target_sector', 'value', 'industry', NULL),
    ('private_mail', 'value', 'email',
        '["%@gmail.%", "%@googlemail.%", "%@yahoo.%", "%@hotmail.%", "%@outlook.%", "%@live.%", "%@icloud.com", "%@aol.com", "%@gmx.%", "%@web.de", "%@proton.me", "%@protonmail.com"]'),
    ('good_source', 'value', 'lead_source', '["referral", "partner", "review site", "word of mouth"]'),
    ('page_view', 'value', 'type', '["page_view", "pageview", "page", "visit", "view"]'),
    ('download', 'value', 'type', '["download", "white_paper", "whitepaper", "ebook", "content_download"]'),
    ('webinar_attended', 'value', 'type', '["webinar", "webinar_attended", "webinar_registration"]'),
    ('demo_asked', 'value', 'type', '["demo", "demo_request", "demo_requested", "demo_form", "request_demo"]'),
    ('mail_opened', 'value', 'type', '["mail_open", "mail_opened", "email_open", "email_opened", "open", "opened"]'),
    ('mail_clicked', 'value', 'type', '["mail_click", "mail_clicked", "email_click", "email_clicked", "click", "clicked"]'),
    ('mail_sent', 'value', 'type', '["mail_sent", "email_sent", "newsletter_sent", "sent"]'),
    ('signed_up', 'value', 'type', '["signup", "sign_up", "signed_up", "trial", "trial_start", "trial_started"]'),
    ('used', 'value', 'type', '["login", "session", "usage", "product_usage", "feature_used", "app_open"]'),
    ('basket_filled', 'value', 'type', '["basket", "cart", "add_to_cart", "add_to_basket", "basket_updated", "cart_updated"]'),
    ('ordered', 'value', 'type', '["order", "ordered", "order_placed", "purchase", "purchased", "checkout_completed"]'),
    ('pricing', 'value', 'page', '["%/pricing%", "%/prices%", "%/plans%"]'),
    ('comparison', 'value', 'page', '["%/compar%", "%/versus%", "%/vs-%", "%/alternative%"]'),
    ('product', 'value', 'page', '"%/product%"'),
    ('documentation', 'value', 'page', '["%/integration%", "%/docs%", "%/documentation%", "%/api%"]'),
    ('delivery', 'value', 'page', '["%/delivery%", "%/shipping%"]'),
    -- Conditions on events, made of these.
    ('pricing_page', 'condition', 'event', '"{type} {page_view} AND {page} {pricing}"'),
    ('comparison_page', 'condition', 'event', '"{type} {page_view} AND {page} {comparison}"'),
    ('product_page', 'condition', 'event', '"{type} {page_view} AND {page} {product}"'),
    ('documentation_page', 'condition', 'event', '"{type} {page_view} AND {page} {documentation}"'),
    ('delivery_page', 'condition', 'event', '"{type} {page_view} AND {page} {delivery}"'),
    ('white_paper', 'condition', 'event', '"{type} {download}"'),
    ('strategic_white_paper', 'condition', 'event', '"{type} {download}"'),
    ('webinar', 'condition', 'event', '"{type} {webinar_attended}"'),
    ('demo_form', 'condition', 'event', '"{type} {demo_asked}"'),
    ('mail_open', 'condition', 'event', '"{type} {mail_opened}"'),
    ('mail_engagement', 'condition', 'event', '"{type} {mail_opened} OR {type} {mail_clicked}"'),
    ('newsletter_sent', 'condition', 'event', '"{type} {mail_sent}"'),
    ('newsletter_opened', 'condition', 'event', '"{type} {mail_opened}"'),
    ('sign_up', 'condition', 'event', '"{type} {signed_up}"'),
    ('product_use', 'condition', 'event', '"{type} {used}"'),
    ('basket', 'condition', 'event', '"{type} {basket_filled}"'),
    ('order', 'condition', 'event', '"{type} {ordered}"');
END;
COMMENT ON FUNCTION lead_scoring.template_roles() IS
    'What a mapping may say: roles that are a column (kind text, number or any; fallback: names looked for), values of a column (about which; fallback: the values) or a condition on events (fallback: made of other roles). A NULL fallback must be mapped.';

-- The text with its roles filled in, and those that are not known. {role?} is as
-- {role}. One pass: what is filled in is not looked at again.
CREATE FUNCTION lead_scoring.fill_roles(content text, roles jsonb, OUT filled text, OUT missing text[])
    RETURNS record
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT string_agg(concat(piece[1], piece[3], roles ->> piece[2]), '' ORDER BY place),
           array_agg(DISTINCT piece[2]) FILTER (WHERE piece[2] IS NOT NULL AND roles ->> piece[2] IS NULL)
      FROM regexp_matches(content, '([^{]*)(?:\{([a-z_]+)\??\}|(\{)|$)', 'g')
           WITH ORDINALITY AS m (piece, place);
END;
COMMENT ON FUNCTION lead_scoring.fill_roles(text, jsonb) IS
    'A text with each {role} replaced, and the roles that are not known. NULL for a NULL argument.';
