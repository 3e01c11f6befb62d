//! The hint for an SLO that does not exist. Service and name are compared one by one: two services that have an SLO of
//! the same name are not similar.

use std::collections::BTreeSet;

use crate::slo::{name_list, nearest};

/// The hint for an unknown SLO, given all SLOs as `SERVICE/SLO`. `None` when there are none.
pub(super) fn suggest_slo(name: &str, known: &[&str]) -> Option<String> {
    let (service, slo) = name.split_once('/').unwrap_or((name, ""));
    let slos_of_service = |service: &str| -> Vec<&str> {
        let is_in_service =
            |known: &&str| known.split_once('/').is_some_and(|(known_service, _)| known_service == service);
        known.iter().copied().filter(is_in_service).collect()
    };
    let service_slos = slos_of_service(service);
    if !service_slos.is_empty() {
        return suggest_similar(slo, &service_slos)
            .or_else(|| name_list(&format!("SLOs of `{service}`"), &service_slos));
    }
    let services: BTreeSet<&str> = known.iter().filter_map(|known| known.split('/').next()).collect();
    if let Some(nearest_service) = nearest(service, services.iter().copied()) {
        let service_slos = slos_of_service(nearest_service);
        return suggest_similar(slo, &service_slos)
            .or_else(|| name_list(&format!("did you mean service `{nearest_service}`? SLOs"), &service_slos));
    }
    let services: Vec<&str> = services.into_iter().collect();
    name_list("services", &services).map(|services| format!("{services}; `slowburn status` lists all SLOs"))
}

/// The SLO of a service whose name is most similar, if one is.
fn suggest_similar(slo: &str, service_slos: &[&str]) -> Option<String> {
    if slo.is_empty() {
        return None;
    }
    let name = nearest(slo, service_slos.iter().filter_map(|own| Some(own.split_once('/')?.1)))?;
    let suggestion = service_slos.iter().find(|own| own.split_once('/').is_some_and(|(_, own)| own == name))?;
    Some(format!("did you mean `{suggestion}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_and_slo_names_are_compared_separately() {
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
            assert_eq!(suggest_slo(name, &known).as_deref(), Some(hint), "{name}");
        }
        assert_eq!(suggest_slo("cart/latency", &[]), None);
    }
}
