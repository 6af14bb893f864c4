//! The scene partners (场景方): metro by app and by card, bus, shared bike, electric car and the
//! grid.

use carbon_protocol::registry::AppRole;

use super::partner::Profile;

/// Who takes part, in the order of their ports.
pub const PROFILES: [Profile; 6] = [
    Profile {
        partner: "shanghai-metro",
        partner_name: "沙箱地铁运营公司",
        credit_code: "91310000MA0CAR801G",
        app: "metro-app",
        name: "沙箱地铁",
        role: AppRole::Scene,
        scenes: &[("metro", "轨道交通", "SHCER02020022024II")],
    },
    // The second route to the metro: a trip may be told of by both (INV-10).
    Profile {
        partner: "transport-card",
        partner_name: "沙箱交通卡公司",
        credit_code: "91310000MA0CAR802K",
        app: "card-app",
        name: "沙箱交通卡",
        role: AppRole::Scene,
        scenes: &[("metro-card", "轨道交通刷卡", "SHCER02020022024II")],
    },
    Profile {
        partner: "shanghai-bus",
        partner_name: "沙箱公交集团",
        credit_code: "91310000MA0CAR803N",
        app: "bus-app",
        name: "沙箱公交",
        role: AppRole::Scene,
        scenes: &[("bus", "地面公交", "SHCER02020012024II")],
    },
    Profile {
        partner: "shared-bike",
        partner_name: "沙箱共享单车公司",
        credit_code: "91310000MA0CAR804R",
        app: "bike-app",
        name: "沙箱单车",
        role: AppRole::Scene,
        scenes: &[("bike", "互联网租赁自行车", "SHCER02020032024II")],
    },
    Profile {
        partner: "electric-car",
        partner_name: "沙箱新能源汽车公司",
        credit_code: "91310000MA0CAR805W",
        app: "car-app",
        name: "沙箱新能源车",
        role: AppRole::Scene,
        scenes: &[("electric-car", "纯电动乘用车", "SHCER02020042024II")],
    },
    // Reports a month when it is over: the demo, which lives for a day, leaves it out.
    Profile {
        partner: "city-grid",
        partner_name: "沙箱电力公司",
        credit_code: "91310000MA0CAR8060",
        app: "power-app",
        name: "沙箱电力",
        role: AppRole::Scene,
        scenes: &[("home-power", "居民低碳用电", "SHCER02010022024II")],
    },
];
