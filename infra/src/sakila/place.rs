//! Countries, cities, addresses, stores, staff and customers.

use super::calendar::datetime;
use super::chance::Chance;
use super::{Table, text, words};

const COUNTRIES: usize = 109;
const CITIES: usize = 600;
const ADDRESSES: usize = 603;
/// The first addresses belong to the stores and their staff.
const CUSTOMER_ADDRESS_FIRST: usize = 5;
/// How many customers there are.
pub(super) const CUSTOMERS: u64 = 599;

/// When every row was last changed: 2006-02-15 04:34:33 UTC.
pub(super) const LAST_UPDATE_S: u64 = 1_139_978_073;
/// 2006-02-14 22:04:36 UTC
const CUSTOMER_SINCE_S: u64 = 1_139_954_676;

pub(super) fn tables() -> Vec<Table> {
    vec![countries(), cities(), addresses(), stores(), staff(), customers()]
}

fn updated() -> String {
    datetime(LAST_UPDATE_S)
}

fn countries() -> Table {
    let rows = (0..COUNTRIES)
        .map(|i| format!("({},{},{})", i + 1, text(&words::country(i)), updated()))
        .collect();
    Table {
        name: "country",
        columns: "country_id,country,last_update",
        rows,
    }
}

fn cities() -> Table {
    let mut chance = Chance::seeded(2);
    let countries = COUNTRIES as u64;
    let rows = (0..CITIES)
        .map(|i| {
            // the first round gives every country a city
            let country = if i < COUNTRIES {
                i as u64 + 1
            } else {
                chance.between(1, countries)
            };
            format!("({},{},{country},{})", i + 1, text(&words::city(i)), updated())
        })
        .collect();
    Table {
        name: "city",
        columns: "city_id,city,country_id,last_update",
        rows,
    }
}

fn addresses() -> Table {
    let mut chance = Chance::seeded(3);
    let rows = (0..ADDRESSES)
        .map(|i| {
            let street = words::street(i, chance.between(1, 1999));
            let second = if i < CUSTOMER_ADDRESS_FIRST - 1 {
                "NULL"
            } else {
                "''"
            };
            let (longitude, latitude) = (chance.between(0, 3599), chance.between(0, 1399));
            format!(
                "({},{},{second},{},{},'{}','{}',ST_GeomFromText('POINT({}.{} {}.{})'),{})",
                i + 1,
                text(&street),
                text(&words::district(i)),
                i % CITIES + 1,
                chance.between(10_000, 99_999),
                chance.between(100_000_000_000, 999_999_999_999),
                longitude / 10 % 180,
                longitude % 10,
                latitude / 10 % 70,
                latitude % 10,
                updated()
            )
        })
        .collect();
    Table {
        name: "address",
        columns: "address_id,address,address2,district,city_id,postal_code,phone,location,last_update",
        rows,
    }
}

fn stores() -> Table {
    let rows = (1..=2).map(|i| format!("({i},{i},{i},{})", updated())).collect();
    Table {
        name: "store",
        columns: "store_id,manager_staff_id,address_id,last_update",
        rows,
    }
}

fn staff() -> Table {
    let rows = (1..=2)
        .map(|i| {
            let (first, last) = words::person(1300 + i);
            format!(
                "({i},{},{},{},NULL,{},{i},1,{},NULL,{})",
                text(first),
                text(last),
                i + 2,
                text(&words::email(first, last)),
                text(&first.to_lowercase()),
                updated()
            )
        })
        .collect();
    Table {
        name: "staff",
        columns: "staff_id,first_name,last_name,address_id,picture,email,store_id,active,username,password,last_update",
        rows,
    }
}

fn customers() -> Table {
    let mut chance = Chance::seeded(4);
    let rows = (0..usize::try_from(CUSTOMERS).unwrap_or(0))
        .map(|i| {
            let (first, last) = words::person(i);
            let active = u8::from(chance.between(1, 40) > 1);
            format!(
                "({},{},{},{},{},{},{active},{},{})",
                i + 1,
                chance.between(1, 2),
                text(first),
                text(last),
                text(&words::email(first, last)),
                i + CUSTOMER_ADDRESS_FIRST,
                datetime(CUSTOMER_SINCE_S),
                updated()
            )
        })
        .collect();
    Table {
        name: "customer",
        columns: "customer_id,store_id,first_name,last_name,email,address_id,active,create_date,last_update",
        rows,
    }
}
