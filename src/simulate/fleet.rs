//! The fleet that is simulated: four load balancers, twelve services, and the requests they get.
//!
//! Absent on purpose: what goes wrong. That is in `event`.

/// The AWS account of the fleet.
pub const ACCOUNT: &str = "123456789012";
/// The region of the fleet.
pub const REGION: &str = "us-east-1";

/// An application load balancer.
#[derive(Debug)]
pub struct Balancer {
    /// `app/name/id`, as log lines and `CloudWatch` name it.
    pub name: &'static str,
    /// The address of each of its nodes; every node writes its own files.
    pub nodes: &'static [&'static str],
    /// What it forwards to.
    pub services: &'static [Service],
    /// Who its callers are.
    pub(super) callers: Callers,
}

/// A service behind a balancer. Its target group has its name (the `checkout` service has two, see `event`).
#[derive(Debug)]
pub struct Service {
    /// Its name; its host is `name.example.com`.
    pub name: &'static str,
    /// Mean requests in a thousand minutes, over a week.
    pub requests_per_thousand_minutes: u32,
    /// Priority of its listener rule.
    pub(super) rule_priority: u16,
    /// How its callers speak: the `type` field, each as likely as the next.
    pub(super) request_types: &'static [&'static str],
    /// Middle and spread (of the logarithm) of its target time, middle in milliseconds.
    pub(super) target_ms: (f64, f64),
    /// Share of answers above 300 ms, in millionths.
    pub(super) slow_ppm: u32,
    /// Share of answers with a 5xx on a good day, in millionths.
    pub(super) error_ppm: u32,
    /// What is asked of it.
    pub(super) routes: &'static [Route],
}

/// A kind of request.
#[derive(Debug)]
pub(super) struct Route {
    /// How often it is asked, against the other routes of the service.
    pub(super) weight: u32,
    /// The method.
    pub(super) method: &'static str,
    /// The path; `{n}` stands for a number, `{x}` for sixteen hexadecimal digits, `{w}` for a word.
    pub(super) path: &'static str,
    /// The status of a good answer.
    pub(super) status: u16,
    /// Middle of the bytes received and sent.
    pub(super) median_bytes: (u32, u32),
}

/// Who calls a balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Callers {
    /// Browsers and robots on the internet, scanners among them.
    Public,
    /// Programs of a few partners.
    Partners,
    /// Other services of the house.
    Internal,
}

/// A route with its numbers in one line.
const fn route(weight: u32, method: &'static str, path: &'static str, status: u16, received: u32, sent: u32) -> Route {
    Route { weight, method, path, status, median_bytes: (received, sent) }
}

const WEB: &[&str] = &["h2", "h2", "h2", "https"];
const TLS: &[&str] = &["https", "https", "h2"];
const PLAIN: &[&str] = &["http"];
const GRPC: &[&str] = &["grpcs"];

/// The load balancers of the fleet.
pub const BALANCERS: &[Balancer] = &[
    Balancer {
        name: "app/shop/5f1c0e7a9b2d4c68",
        nodes: &["203.0.113.21", "203.0.113.148"],
        services: SHOP,
        callers: Callers::Public,
    },
    Balancer {
        name: "app/accounts/81d3f6c05ab94e27",
        nodes: &["203.0.113.37", "203.0.113.190"],
        services: ACCOUNTS,
        callers: Callers::Public,
    },
    Balancer {
        name: "app/partners/c4a79e1350f8b26d",
        nodes: &["203.0.113.66"],
        services: PARTNERS,
        callers: Callers::Partners,
    },
    Balancer {
        name: "app/internal/2e90b7d4863f1ca5",
        nodes: &["10.0.7.12"],
        services: INTERNAL,
        callers: Callers::Internal,
    },
];

const SHOP: &[Service] = &[
    Service {
        name: "storefront",
        requests_per_thousand_minutes: 10_000,
        rule_priority: 10,
        request_types: WEB,
        target_ms: (38.0, 0.6),
        slow_ppm: 1_500,
        error_ppm: 120,
        routes: &[
            route(40, "GET", "/", 200, 420, 18_400),
            route(25, "GET", "/c/{w}", 200, 430, 22_100),
            route(20, "GET", "/assets/{x}.js", 304, 380, 260),
            route(10, "GET", "/assets/{x}.css", 200, 380, 9_300),
            route(4, "HEAD", "/", 200, 210, 310),
            route(1, "GET", "/live", 101, 560, 4_800),
        ],
    },
    Service {
        name: "catalog",
        requests_per_thousand_minutes: 7_000,
        rule_priority: 20,
        request_types: WEB,
        target_ms: (24.0, 0.5),
        slow_ppm: 800,
        error_ppm: 100,
        routes: &[
            route(60, "GET", "/v2/products/{n}", 200, 390, 3_200),
            route(25, "GET", "/v2/products?category={w}&page={n}", 200, 410, 14_800),
            route(15, "GET", "/v2/products/{n}/images", 304, 400, 240),
        ],
    },
    Service {
        name: "search",
        requests_per_thousand_minutes: 6_000,
        rule_priority: 30,
        request_types: WEB,
        target_ms: (70.0, 0.45),
        slow_ppm: 2_500,
        error_ppm: 120,
        routes: &[
            route(80, "GET", "/v1/search?q={w}", 200, 450, 7_600),
            route(18, "GET", "/v1/suggest?q={w}", 200, 430, 900),
            route(2, "GET", "/v1/search?q={w}%20{w}&sort=price", 400, 450, 320),
        ],
    },
    Service {
        name: "cart",
        requests_per_thousand_minutes: 3_000,
        rule_priority: 40,
        request_types: TLS,
        target_ms: (18.0, 0.5),
        slow_ppm: 600,
        error_ppm: 130,
        routes: &[
            route(50, "GET", "/v1/carts/{x}", 200, 520, 1_900),
            route(35, "POST", "/v1/carts/{x}/items", 201, 760, 640),
            route(10, "DELETE", "/v1/carts/{x}/items/{n}", 204, 510, 210),
            route(5, "GET", "/v1/carts/{x}", 404, 520, 280),
        ],
    },
    Service {
        name: "checkout",
        requests_per_thousand_minutes: 4_000,
        rule_priority: 50,
        request_types: TLS,
        target_ms: (85.0, 0.4),
        slow_ppm: 3_000,
        error_ppm: 110,
        routes: &[
            route(45, "POST", "/v1/orders", 201, 1_900, 880),
            route(15, "POST", "/v1/orders/{n}/payment", 200, 1_400, 720),
            route(30, "GET", "/v1/orders/{n}", 200, 540, 2_300),
            route(8, "GET", "/v1/shipping?country={w}", 200, 510, 1_100),
            route(2, "POST", "/v1/orders", 400, 1_700, 410),
        ],
    },
];

const ACCOUNTS: &[Service] = &[
    Service {
        name: "login",
        requests_per_thousand_minutes: 3_000,
        rule_priority: 10,
        request_types: TLS,
        target_ms: (95.0, 0.35),
        slow_ppm: 2_000,
        error_ppm: 110,
        routes: &[
            route(70, "POST", "/oauth/token", 200, 880, 1_700),
            route(20, "GET", "/oauth/authorize?client_id={x}", 302, 610, 420),
            route(10, "POST", "/oauth/token", 401, 870, 330),
        ],
    },
    Service {
        name: "profile",
        requests_per_thousand_minutes: 3_000,
        rule_priority: 20,
        request_types: TLS,
        target_ms: (42.0, 0.5),
        slow_ppm: 3_000,
        error_ppm: 100,
        routes: &[
            route(80, "GET", "/v1/users/{n}", 200, 560, 1_300),
            route(15, "PATCH", "/v1/users/{n}", 200, 920, 1_250),
            route(5, "GET", "/v1/users/{n}", 404, 560, 240),
        ],
    },
];

const PARTNERS: &[Service] = &[
    Service {
        name: "partner-api",
        requests_per_thousand_minutes: 3_000,
        rule_priority: 10,
        request_types: TLS,
        target_ms: (110.0, 0.4),
        slow_ppm: 3_500,
        error_ppm: 150,
        routes: &[
            route(60, "GET", "/partners/v3/stock/{n}", 200, 480, 900),
            route(30, "PUT", "/partners/v3/offers/{x}", 204, 2_600, 220),
            route(10, "GET", "/partners/v3/orders?since={n}", 200, 500, 31_000),
        ],
    },
    Service {
        name: "webhooks",
        requests_per_thousand_minutes: 1_500,
        rule_priority: 20,
        request_types: TLS,
        target_ms: (15.0, 0.5),
        slow_ppm: 500,
        error_ppm: 150,
        routes: &[route(90, "POST", "/hooks/{x}", 204, 3_100, 190), route(10, "POST", "/hooks/{x}", 404, 3_000, 260)],
    },
];

const INTERNAL: &[Service] = &[
    Service {
        name: "inventory",
        requests_per_thousand_minutes: 2_500,
        rule_priority: 10,
        request_types: PLAIN,
        target_ms: (9.0, 0.5),
        slow_ppm: 300,
        error_ppm: 100,
        routes: &[
            route(85, "GET", "/stock/{n}", 200, 260, 340),
            route(15, "POST", "/stock/{n}/reservations", 201, 420, 380),
        ],
    },
    Service {
        name: "recommendations",
        requests_per_thousand_minutes: 4_000,
        rule_priority: 20,
        request_types: GRPC,
        target_ms: (55.0, 0.5),
        slow_ppm: 2_000,
        error_ppm: 140,
        routes: &[
            route(75, "POST", "/reco.v1.Recommendations/ForBasket", 200, 610, 1_500),
            route(25, "POST", "/reco.v1.Recommendations/ForProduct", 200, 430, 1_200),
        ],
    },
    Service {
        name: "backoffice",
        requests_per_thousand_minutes: 30,
        rule_priority: 30,
        request_types: PLAIN,
        target_ms: (60.0, 0.6),
        slow_ppm: 2_000,
        error_ppm: 0,
        routes: &[route(70, "GET", "/reports/{n}", 200, 520, 8_800), route(30, "POST", "/refunds", 201, 1_100, 460)],
    },
];
