//! What a log object contains, by its key alone.
//!
//! Source: "Access log files" in the ELB user guides. An Application Load Balancer writes, every five minutes and node,
//! `[prefix/]AWSLogs/ACCOUNT/elasticloadbalancing/REGION/yyyy/mm/dd/`
//! `ACCOUNT_elasticloadbalancing_REGION_app.NAME.ID_END_NODE_RANDOM.log.gz`, where the folder is the day of delivery
//! and END the end of the five minutes. A Classic Load Balancer writes every 5 or 60 minutes, unpacked,
//! `ACCOUNT_elasticloadbalancing_REGION_NAME_END_NODE_RANDOM.log`.

use crate::access_log::timestamp::parse_digits;
use crate::slo::lacks_id;
use crate::time::{Day, Minute};

/// Minutes that an object of an Application Load Balancer covers.
pub const INTERVAL_MINUTES: i32 = 5;

/// Days after the last day of a span in whose folders its objects are looked for.
pub const LATE_DELIVERY_DAYS: i32 = 3;

/// The log of an Application or Classic Load Balancer by its name. Where the name is wrong, its lines show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogObject {
    /// `app/name/id`, as lines and CloudWatch write it; `classic/name` of a Classic one, which they call by its name
    /// alone.
    pub load_balancer: String,
    /// The first minute after the interval.
    pub interval_end: Minute,
    /// How its folder contradicts its name, if it does. The name counts, since a copy keeps it.
    pub mismatch: Option<&'static str>,
}

impl LogObject {
    pub fn is_classic(&self) -> bool {
        self.load_balancer.starts_with("classic/")
    }
}

/// What identifies an object in every copy, compressed or not: AWS's own file name, which ends in random letters,
/// without `.gz`.
pub fn object_identity(key: &str) -> &str {
    let name = key.rsplit('/').next().unwrap_or(key);
    name.strip_suffix(".gz").unwrap_or(name)
}

/// Parses a key relative to any root; the error says what the object is instead, or why its name is none of a log.
pub fn parse_key(key: &str) -> Result<LogObject, &'static str> {
    const WRONG_PARTS: &str = "the name does not have seven parts";
    let (folder, file) = key.rsplit_once('/').unwrap_or(("", key));
    match file {
        _ if file == "ELBAccessLogTestFile" || file.ends_with("ELBConnectionLogTestFile") => {
            return Err("ELB test file");
        }
        _ if file.starts_with("conn_log") => return Err("connection log"),
        _ if file.starts_with("health_check_log") => return Err("health check log"),
        _ => {}
    }
    let stem = file.strip_suffix(".log.gz").or_else(|| file.strip_suffix(".log"));
    let parts: Vec<&str> = stem.ok_or("the name does not end in `.log.gz` or `.log`")?.splitn(8, '_').collect();
    let (account, region, balancer, rest) = match *parts.as_slice() {
        [account, "elasticloadbalancing", region, balancer, ref rest @ ..] if is_account_id(account) => {
            (account, region, balancer, rest)
        }
        _ => return Err("the name does not start with `ACCOUNT_elasticloadbalancing_REGION_`"),
    };
    let load_balancer = match balancer.split_once('.') {
        Some(("net", _)) => return Err("Network Load Balancer log"),
        Some(("app", name)) => name
            .split_once('.')
            .filter(|(name, id)| is_name_part(name) && is_name_part(id))
            .map(|(name, id)| format!("app/{name}/{id}"))
            .ok_or("the load balancer in the name is not `app.NAME.ID`"),
        Some(_) => return Err("the name has an unknown type of load balancer"),
        None if is_name_part(balancer) => Ok(format!("classic/{balancer}")),
        None => Err(WRONG_PARTS),
    };
    let &[end, _node, _random] = rest else { return Err(WRONG_PARTS) };
    let load_balancer = load_balancer?;
    let interval_end = parse_interval_end(end).ok_or("the name contains no valid time such as `20261031T2350Z`")?;
    let delivery_day = parse_folder_day(folder).ok_or("not in a day folder `yyyy/mm/dd`")?;
    let mismatch = if !is_in_folder_of(folder, account, region) {
        Some("the folder and the file name have different accounts or regions")
    } else if !is_plausible_delivery(delivery_day, interval_end) {
        Some("the folder's day and the time in the file name are far apart")
    } else {
        None
    };
    Ok(LogObject { load_balancer, interval_end, mismatch })
}

/// Whether a folder ends in `ACCOUNT/elasticloadbalancing/REGION/yyyy/mm/dd`; one that is shorter says nothing of them.
fn is_in_folder_of(folder: &str, account: &str, region: &str) -> bool {
    let mut parts = folder.rsplit('/').skip(3);
    let mut fits = |expected: &str| parts.next().is_none_or(|part| part == expected);
    fits(region) && fits("elasticloadbalancing") && fits(account)
}

/// Nothing is delivered before its interval ends, apart from differences of clocks, nor later than
/// [`LATE_DELIVERY_DAYS`].
fn is_plausible_delivery(delivery_day: Day, interval_end: Minute) -> bool {
    let end = interval_end.day();
    end.plus(-1) <= delivery_day && delivery_day <= end.plus(LATE_DELIVERY_DAYS)
}

fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Names of balancers have letters, digits and hyphens only.
fn is_name_part(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// How the names of a balancer's logs start in a folder `ACCOUNT/elasticloadbalancing/REGION/yyyy/mm/dd`; `None` if the
/// folder is shorter. For `app/name` it matches every id.
pub fn file_name_prefix(folder: &str, load_balancer: &str) -> Option<String> {
    let mut parts = folder.rsplit('/').skip(3);
    let (region, _, account) = (parts.next()?, parts.next()?, parts.next()?);
    let balancer = load_balancer.strip_prefix("classic/").unwrap_or(load_balancer).replace('/', ".");
    let prefix = format!("{account}_elasticloadbalancing_{region}_");
    if let Some((start, _)) = balancer.split_once('*') {
        return Some(prefix + start);
    }
    let terminator = if lacks_id(load_balancer) { '.' } else { '_' };
    Some(format!("{prefix}{balancer}{terminator}"))
}

/// `20261031T2350Z`
fn parse_interval_end(text: &str) -> Option<Minute> {
    let [date @ .., b'T', h0, h1, m0, m1, b'Z'] = text.as_bytes() else { return None };
    let day = parse_day(date.get(..4)?, date.get(4..6)?, date.get(6..)?)?;
    let (hour, minute) = (parse_digits(&[*h0, *h1])?, parse_digits(&[*m0, *m1])?);
    let minute_of_day = i32::try_from(hour * 60 + minute).ok()?;
    (hour < 24 && minute < 60).then(|| day.start().plus(minute_of_day))
}

/// The day that a path ends in, `.../2026/10/31`; `None` if it does not.
pub fn parse_folder_day(folder: &str) -> Option<Day> {
    let mut parts = folder.rsplit('/');
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    parse_day(year.as_bytes(), month.as_bytes(), day.as_bytes())
}

fn parse_day(year: &[u8], month: &[u8], day: &[u8]) -> Option<Day> {
    let has_widths = (year.len(), month.len(), day.len()) == (4, 2, 2);
    let number = |digits| u32::try_from(parse_digits(digits)?).ok();
    // Minutes of 32 bits end in the year 6053.
    let year = i32::try_from(parse_digits(year)?).ok().filter(|year| has_widths && (1970..6000).contains(year))?;
    Day::from_civil(year, number(month)?, number(day)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOLDER: &str = "AWSLogs/123456789012/elasticloadbalancing/eu-west-1/2026/11/01/";
    const START: &str = "123456789012_elasticloadbalancing_eu-west-1_";

    fn object_key(rest: &str) -> String {
        format!("{FOLDER}{START}{rest}")
    }

    #[test]
    fn key_names_load_balancer_and_interval() {
        for prefix in ["", "some/prefix/"] {
            let key = format!(
                "{prefix}{}",
                object_key("app.my-shop.50dc6c495c0c9188_20261101T0000Z_192.0.2.7_1a2b3c4d.log.gz")
            );
            let object = parse_key(&key).unwrap();
            assert_eq!(object.load_balancer, "app/my-shop/50dc6c495c0c9188");
            let start = file_name_prefix(key.rsplit_once('/').unwrap().0, &object.load_balancer);
            assert!(key.ends_with(&format!("/{}20261101T0000Z_192.0.2.7_1a2b3c4d.log.gz", start.unwrap())));
            let start = file_name_prefix(key.rsplit_once('/').unwrap().0, "app/my-shop").unwrap();
            assert!(key.contains(&format!("/{start}50dc6c495c0c9188_")), "{start}");
            assert_eq!(parse_folder_day(key.rsplit_once('/').unwrap().0).unwrap().to_string(), "2026-11-01");
            assert_eq!(object.interval_end.to_string(), "2026-11-01T00:00Z");
        }
    }

    #[test]
    fn other_object_kinds_are_recognized() {
        let check = |key: &str, kind| assert_eq!(parse_key(key), Err(kind), "{key}");
        check("AWSLogs/123456789012/ELBAccessLogTestFile", "ELB test file");
        check(&object_key("net.shop.0a_20261101T0000Z_1a2b.log.gz"), "Network Load Balancer log");
        let classic = object_key("shop_20261101T0000Z_192.0.2.7_1a2b.log");
        assert_eq!(parse_key(&classic).unwrap().load_balancer, "classic/shop");
        let start = file_name_prefix(FOLDER.trim_end_matches('/'), "classic/shop").unwrap();
        assert!(classic.starts_with(&format!("{FOLDER}{start}")));
        check(&format!("{FOLDER}conn_log.{START}app.shop.0a_20261101T0000Z_192.0.2.7_1a.log.gz"), "connection log");
        check(&format!("{FOLDER}health_check_log_{START}app.shop.0a_x.log.gz"), "health check log");
    }

    #[test]
    fn malformed_names_are_unrecognized() {
        for rest in [
            "app.shop.0a_20261101T2400Z_192.0.2.7_1a2b.log.gz",
            "app.shop.0a_20261301T0000Z_192.0.2.7_1a2b.log.gz",
            "app.shop.0a_74001002T0000Z_192.0.2.7_1a2b.log.gz",
            "app.shop.0a_2026110T00000Z_192.0.2.7_1a2b.log.gz",
            "app.shop.0a_T0000Z_192.0.2.7_1a2b.log.gz",
            "app.shop.0a_20261101T0000Z_1a2b.log.gz",
            "app.shop.0a_20261101T0000Z_a_b_c.log.gz",
            "app.shop_20261101T0000Z_192.0.2.7_1a2b.log.gz",
            "app.s/hop.0a_20261101T0000Z_192.0.2.7_1a2b.log.gz",
            "app..0a_20261101T0000Z_192.0.2.7_1a2b.log.gz",
            "app.é.0a_20261101T0000Z_192.0.2.7_1a2b.log.gz",
            "gwy.shop.0a_20261101T0000Z_192.0.2.7_1a2b.log.gz",
            "app.shop.0a_20261101T0000Z_192.0.2.7_1a2b.log.gz.tmp",
            "",
        ] {
            assert!(parse_key(&object_key(rest)).is_err(), "{rest}");
        }
        for key in
            ["", "/", "//", ".log", "_.log", "2026/02/30/x_elasticloadbalancing_a_app.b.c_20261101T0000Z_d_e.log"]
        {
            assert!(parse_key(key).is_err(), "{key}");
        }
    }
}
