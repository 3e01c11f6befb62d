//! The hint for an SLO that does not exist. Service and name are compared one by one: two services that have an SLO of
//! the same name are not similar.

use std::collections::BTreeSet;

use crate::slo::{listed, nearest};

/// The hint for an unknown SLO, given all SLOs as `SERVICE/SLO`. `None` when there are none.
pub(super) fn slo(name: &str, known: &[&str]) -> Option<String> {
    let (service, slo) = name.split_once('/').unwrap_or((name, ""));
    let of = |service: &str| -> Vec<&str> {
        let is_of = |known: &&str| known.split_once('/').is_some_and(|(of, _)| of == service);
        known.iter().copied().filter(is_of).collect()
    };
    let own = of(service);
    if !own.is_empty() {
        return similar(slo, &own).or_else(|| listed(&format!("SLOs of `{service}`"), &own));
    }
    let services: BTreeSet<&str> = known.iter().filter_map(|known| known.split('/').next()).collect();
    if let Some(near) = nearest(service, services.iter().copied()) {
        let own = of(near);
        return similar(slo, &own).or_else(|| listed(&format!("did you mean service `{near}`? SLOs"), &own));
    }
    let services: Vec<&str> = services.into_iter().collect();
    listed("services", &services).map(|services| format!("{services}; `slowburn status` lists all SLOs"))
}

/// The SLO of a service whose name is most similar, if one is.
fn similar(slo: &str, own: &[&str]) -> Option<String> {
    if slo.is_empty() {
        return None;
    }
    let name = nearest(slo, own.iter().filter_map(|own| Some(own.split_once('/')?.1)))?;
    let meant = own.iter().find(|own| own.split_once('/').is_some_and(|(_, own)| own == name))?;
    Some(format!("did you mean `{meant}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_and_slo_are_compared_one_by_one() {
        let known = ["cart/availability", "cart/latency", "checkout/availability", "search/latency-api"];
        for (name, hint) in [
            ("xyz/latency", "services: `cart`, `checkout`, `search`; `slowburn status` lists all SLOs"),
            ("cart/latncy", "did you mean `cart/latency`?"),
            ("cart/errors", "SLOs of `cart`: `cart/availability`, `cart/latency`"),
            ("cart", "SLOs of `cart`: `cart/availability`, `cart/latency`"),
            ("chekcout/availability", "did you mean `checkout/availability`?"),
            ("chekcout/errors", "did you mean service `checkout`? SLOs: `checkout/availability`"),
            ("chekcout", "did you mean service `checkout`? SLOs: `checkout/availability`"),
        ] {
            assert_eq!(slo(name, &known).as_deref(), Some(hint), "{name}");
        }
        assert_eq!(slo("cart/latency", &[]), None);
    }
}
