{#- Counts of every measure per minute, out of access logs of Classic Load Balancers, in one scan. -#}
{%- from "counting.jinja" import asked, microseconds, fraction_us, second, url, host, path, object_end -%}
{%- from "counting.jinja" import classification, by_hour, meets -%}
WITH {{ asked(balancers, traffics) }},

fields AS (
    SELECT
        elb AS balancer,
        time,
        substr(rest, 1, 200) AS line,
        {{ object_end() }} AS object_end,
        regexp_extract("$path", '/[0-9]{12}_elasticloadbalancing_[^_/]+_([A-Za-z0-9-]+)_[0-9]{8}T[^/]*$', 1) AS object_balancer,
        regexp_like("$path", '_elasticloadbalancing_[^/]*$') AS is_named_by_aws,
        elb_status_code,
        {{ microseconds("request_processing_time") }} AS request_us,
        {{ microseconds("backend_processing_time") }} AS target_us,
        {{ microseconds("response_processing_time") }} AS response_us,
        regexp_extract(request, '^[^ ]*') AS method,
        {{ url("request") }} AS url
    FROM "{{ database | identifier }}"."{{ table | identifier }}"
    WHERE
        day BETWEEN {{ first_day | literal }} AND {{ last_day | literal }}
        AND (time IS NOT NULL OR rest <> '')
),

parts AS (
    SELECT
        balancer,
        line,
        object_end,
        object_balancer,
        is_named_by_aws,
        elb_status_code,
        request_us,
        target_us,
        response_us,
        method,
        lower({{ host("url") }}) AS host,
        {{ path("url") }} AS path,
        try(
            date_format(
                date_add(
                    'second',
                    ({{ fraction_us("time") }} + coalesce(request_us, 0) + coalesce(target_us, 0) + coalesce(response_us, 0)) / 1000000,
                    {{ second("time") }}
                ),
                '%Y-%m-%dT%H:%i'
            )
        ) AS minute
    FROM fields
),

lines AS (
    SELECT
        coalesce(balancer, object_balancer, CASE WHEN NOT is_named_by_aws THEN '' END) AS balancer,
        coalesce(minute, object_end, {{ from | literal }}) AS minute,
        minute IS NULL AS is_unparsed,
        CASE WHEN minute IS NULL THEN line END AS example,
        elb_status_code = '-' AND method = '-' AND coalesce(host, '') = '' AS is_connection,
        elb_status_code = '101' AS is_websocket,
        elb_status_code AS status,
        elb_status_code BETWEEN '500' AND '599' AS is_server_error,
        FALSE AS is_aborted,
        elb_status_code IN ('504', '460') AND target_us IS NULL AS is_timeout,
        request_us,
        target_us,
        response_us,
        cast(NULL AS BIGINT) AS elapsed_us,
        method,
        host,
        path
    FROM parts
    WHERE
        (minute >= {{ from | literal }} AND minute < {{ until | literal }})
        OR (
            minute IS NULL
            AND (object_end IS NULL OR (object_end > {{ from | literal }} AND object_end <= {{ until | literal }}))
        )
),

events AS (
    SELECT
        balancers.id AS balancer,
        measures.id AS measure,
        lines.minute,
        lines.example,
        {{ classification() }} AS is_bad
    FROM lines
    INNER JOIN balancers ON lines.balancer = balancers.name
    INNER JOIN traffics
        ON
            balancers.id = traffics.balancer
            AND (
                traffics.id = 0
                OR (
                    NOT lines.is_unparsed
                    AND NOT lines.is_connection
                    AND traffics.target_groups IS NULL
                    AND {{ meets("") }}
                    AND NOT (traffics.has_exclusion AND {{ meets("not_") }})
                )
            )
    INNER JOIN measures ON traffics.id = measures.traffic
),

{{ by_hour() }}
