{#- The table of access logs of Application Load Balancers. -#}
{#- One column for each group of the regular expression: where their numbers differ, some versions of the SerDe give NULLs. -#}
{%- set duration -%} (-1|[0-9]{1,12}(?:[.][0-9]{1,6})?) {%- endset -%}
{#- Inside quotes: up to a quote that a space or the end follows and that no backslash escapes, as in `accesslog/fields.rs`. -#}
{#- `*+` never goes back, so that a user agent of 8 KB costs no stack in Java. A backslash is doubled twice: for the regular -#}
{#- expression, and for Hive's string. -#}
{%- set inside -%} [^"\\\\]*+(?:(?:\\\\.|"(?=[^ ]))[^"\\\\]*+)*+ {%- endset -%}
{%- set field -%} (?:"{{ inside }}"|(?!")[^ ]*+) {%- endset -%}
{%- set moment -%} [0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:[.][0-9]++)?Z {%- endset -%}
CREATE EXTERNAL TABLE IF NOT EXISTS `{{ database | identifier }}`.`{{ table | identifier }}` (
    type string,
    time string,
    elb string,
    target string,
    request_processing_time string,
    target_processing_time string,
    response_processing_time string,
    elb_status_code string,
    request string,
    target_group_arn string,
    request_creation_time string,
    actions_executed string,
    rest string
)
PARTITIONED BY ({% if accounts | length > 1 %}account string, {% endif %}{% if regions | length > 1 %}region string, {% endif %}day string)
ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.RegexSerDe'
WITH SERDEPROPERTIES (
    'serialization.format' = '1',
    'input.regex' = '(?s)(?:([^ ]++) ({{ moment }}) ([^ ]++) [^ ]++ ([^ ]++) {{ duration }} {{ duration }} {{ duration }} ([0-5][0-9]{2}|-) [^ ]++ [^ ]++ [^ ]++ "({{ inside }})"(?: {{ field }} {{ field }} {{ field }} ({{ field }})(?: {{ field }} {{ field }} {{ field }} {{ field }} (?:({{ moment }})(?![^ ])|{{ field }})(?: ({{ field }}))?+)?+)?+)?+(.*)'
)
LOCATION '{{ location | plain }}/AWSLogs/'
TBLPROPERTIES (
    'projection.enabled' = 'true',
    {%- if accounts | length > 1 %}
    'projection.account.type' = 'enum',
    'projection.account.values' = '{{ accounts | join(",") | plain }}',
    {%- endif %}
    {%- if regions | length > 1 %}
    'projection.region.type' = 'enum',
    'projection.region.values' = '{{ regions | join(",") | plain }}',
    {%- endif %}
    'projection.day.type' = 'date',
    'projection.day.range' = '{{ since | plain }},NOW',
    'projection.day.format' = 'yyyy/MM/dd',
    'projection.day.interval' = '1',
    'projection.day.interval.unit' = 'DAYS',
    'storage.location.template' = '{{ location | plain }}/AWSLogs/{% if accounts | length > 1 %}${account}{% else %}{{ accounts | first | plain }}{% endif %}/elasticloadbalancing/{% if regions | length > 1 %}${region}{% else %}{{ regions | first | plain }}{% endif %}/${day}'
)
