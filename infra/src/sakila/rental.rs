//! Who took which copy home, when it came back, and what was paid.

use super::Table;
use super::calendar::datetime;
use super::chance::Chance;
use super::place::{CUSTOMERS, LAST_UPDATE_S};
use super::stock::{Copy, Film};

const RENTALS: u64 = 16_044;
/// Payments that belong to no rental, as in the public sample.
const PAYMENTS_WITHOUT_RENTAL: u64 = 5;
/// The last rentals have not come back.
const RENTALS_OUT: u64 = 183;
/// 2005-05-24 22:53:30 UTC
const FIRST_RENTAL_S: u64 = 1_116_975_210;
/// One rental begins every 14 minutes: a copy's turn comes again after six weeks.
const RENTAL_INTERVAL_S: u64 = 840;
/// Shares no factor with the number of copies, so that a round visits each of them once.
const COPY_STRIDE: u64 = 1009;
const DAY_S: u64 = 86_400;
const LATE_FEE_CENTS_PER_DAY: u64 = 100;

/// One copy at one customer's home.
pub(super) struct Rental {
    pub(super) inventory_id: u64,
    pub(super) rented_s: u64,
    pub(super) returned_s: Option<u64>,
    customer_id: u64,
}

pub(super) fn rentals(inventory: &[Copy]) -> Vec<Rental> {
    let mut chance = Chance::seeded(8);
    let copies = inventory.len() as u64;
    (0..RENTALS)
        .map(|i| {
            let rented_s = FIRST_RENTAL_S + i * RENTAL_INTERVAL_S + chance.between(0, RENTAL_INTERVAL_S - 1);
            let kept_s = chance.between(DAY_S, 10 * DAY_S);
            Rental {
                inventory_id: i * COPY_STRIDE % copies + 1,
                rented_s,
                returned_s: (i < RENTALS - RENTALS_OUT).then_some(rented_s + kept_s),
                customer_id: chance.between(1, CUSTOMERS),
            }
        })
        .collect()
}

pub(super) fn tables(films: &[Film], inventory: &[Copy], rentals: &[Rental]) -> Vec<Table> {
    let updated = datetime(LAST_UPDATE_S);
    let copy_of = |rental: &Rental| &inventory[usize::try_from(rental.inventory_id - 1).unwrap_or(0)];
    let mut rental_rows = Vec::with_capacity(rentals.len());
    let mut payment_rows = Vec::with_capacity(rentals.len());
    for (i, rental) in rentals.iter().enumerate() {
        let copy = copy_of(rental);
        let film = &films[copy.film_id - 1];
        let (id, staff) = (i + 1, copy.store_id);
        let returned = rental.returned_s.map_or("NULL".to_owned(), datetime);
        let rented = datetime(rental.rented_s);
        rental_rows.push(format!(
            "({id},{rented},{},{},{returned},{staff},{updated})",
            rental.inventory_id, rental.customer_id
        ));
        let kept_days = rental
            .returned_s
            .map_or(0, |returned| (returned - rental.rented_s) / DAY_S);
        let cents = film.rate_cents + kept_days.saturating_sub(film.rental_days) * LATE_FEE_CENTS_PER_DAY;
        payment_rows.push(format!(
            "({id},{},{staff},{id},{}.{:02},{rented},{updated})",
            rental.customer_id,
            cents / 100,
            cents % 100
        ));
    }
    let last = rentals.last().map_or(FIRST_RENTAL_S, |rental| rental.rented_s);
    payment_rows.extend((1..=PAYMENTS_WITHOUT_RENTAL).map(|i| {
        let id = RENTALS + i;
        format!(
            "({id},{},{},NULL,{i}.99,{},{updated})",
            i * 101,
            i % 2 + 1,
            datetime(last + i * DAY_S)
        )
    }));
    vec![
        Table {
            name: "rental",
            columns: "rental_id,rental_date,inventory_id,customer_id,return_date,staff_id,last_update",
            rows: rental_rows,
        },
        Table {
            name: "payment",
            columns: "payment_id,customer_id,staff_id,rental_id,amount,payment_date,last_update",
            rows: payment_rows,
        },
    ]
}
