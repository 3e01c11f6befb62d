{#- Counts of every measure per minute, out of access logs of Application Load Balancers, in one scan. -#}
{%- from "counting.jinja" import asked, microseconds, fraction_us, second, url, host, path, object_end -%}
{%- from "counting.jinja" import classification, by_hour, meets, without_id -%}
WITH {{ asked(balancers, traffics) }},

fields AS (
    SELECT
        elb AS balancer,
        substr(time, 1, 16) AS minute,
        type IS NULL AS is_unparsed,
        substr(rest, 1, 200) AS line,
        {{ object_end() }} AS object_end,
        replace(
            regexp_extract("$path", '/[0-9]{12}_elasticloadbalancing_[^_/]+_(app[.][^_/.]+[.][^_/.]+)_[^/]*$', 1), '.', '/'
        ) AS object_balancer,
        regexp_like("$path", '_elasticloadbalancing_[^/]*$') AS is_named_by_aws,
        type IN ('ws', 'wss') OR elb_status_code = '101' AS is_websocket,
        elb_status_code AS status,
        elb_status_code BETWEEN '500' AND '599' AS is_server_error,
        elb_status_code IN ('460', '000', '-')
        AND target_processing_time = '-1'
        AND type NOT IN ('ws', 'wss') AS is_aborted,
        elb_status_code IN ('504', '460') AND target_processing_time = '-1' AS is_timeout,
        {{ microseconds("request_processing_time") }} AS request_us,
        {{ microseconds("target_processing_time") }} AS target_us,
        {{ microseconds("response_processing_time") }} AS response_us,
        CASE
            WHEN elb_status_code IN ('504', '460', '000', '-') AND target_processing_time = '-1'
                THEN try(
                    date_diff('second', {{ second("request_creation_time") }}, {{ second("time") }}) * 1000000
                    + {{ fraction_us("time") }} - {{ fraction_us("request_creation_time") }}
                )
        END AS elapsed_us,
        target = '-' AS is_undispatched,
        regexp_extract(target_group_arn, '^"?arn:(?:.*?:)??targetgroup/([^/"]+)', 1) AS target_group,
        regexp_extract(replace(actions_executed, 'waf-failed', 'waf'), '(?:^"?|,)(fixed-response|redirect|waf|authenticate)"?$', 1) AS action,
        regexp_extract(request, '^[^ ]*') AS method,
        {{ url("request") }} AS url
    FROM "{{ database | identifier }}"."{{ table | identifier }}"
    WHERE
        day BETWEEN {{ first_day | literal }} AND {{ last_day | literal }}
        AND (
            (substr(time, 1, 16) >= {{ from | literal }} AND substr(time, 1, 16) < {{ until | literal }})
            OR (type IS NULL AND rest <> '')
        )
),

lines AS (
    SELECT
        coalesce(balancer, object_balancer, CASE WHEN NOT is_named_by_aws THEN '' END) AS balancer,
        {{ without_id("coalesce(balancer, object_balancer, CASE WHEN NOT is_named_by_aws THEN '' END)") }} AS name,
        coalesce(minute, object_end, {{ from | literal }}) AS minute,
        is_unparsed,
        CASE WHEN is_unparsed THEN line END AS example,
        is_websocket,
        status,
        is_server_error,
        is_aborted,
        is_timeout,
        request_us,
        target_us,
        response_us,
        elapsed_us,
        target_group,
        CASE WHEN is_undispatched AND target_group IS NULL THEN action END AS answered_by_rule,
        method,
        lower({{ host("url") }}) AS host,
        {{ path("url") }} AS path
    FROM fields
    WHERE NOT is_unparsed OR object_end IS NULL OR (object_end > {{ from | literal }} AND object_end <= {{ until | literal }})
),

events AS (
    SELECT
        balancers.id AS balancer,
        measures.id AS measure,
        lines.minute,
        lines.example,
        {{ classification() }} AS is_bad
    FROM lines
    INNER JOIN balancers
        ON
            lines.name = {{ without_id("balancers.name") }}
            AND (lines.balancer = balancers.name OR balancers.name NOT LIKE 'app/%/%')
    INNER JOIN traffics
        ON
            balancers.id = traffics.balancer
            AND (
                traffics.id = 0
                OR (
                    NOT lines.is_unparsed
                    AND (traffics.target_groups IS NULL OR contains(traffics.target_groups, lines.target_group))
                    AND (
                        lines.answered_by_rule IS NULL
                        OR contains(traffics.responses, lines.answered_by_rule)
                    )
                    AND {{ meets("") }}
                    AND NOT (traffics.has_exclusion AND {{ meets("not_") }})
                )
            )
    INNER JOIN measures ON traffics.id = measures.traffic
),

{{ by_hour() }}
