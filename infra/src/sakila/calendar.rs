//! Seconds since 1970 as an SQL DATETIME.

const DAY_S: u64 = 86_400;

/// `'2005-05-24 22:53:30'`
pub(super) fn datetime(seconds: u64) -> String {
    let (year, month, day) = civil(seconds / DAY_S);
    let rest = seconds % DAY_S;
    format!(
        "'{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}'",
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

/// The Gregorian date of a day number (Hinnant's algorithm, for days after 1970).
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments() {
        assert_eq!(datetime(0), "'1970-01-01 00:00:00'");
        assert_eq!(datetime(951_782_399), "'2000-02-28 23:59:59'");
        assert_eq!(datetime(951_782_400), "'2000-02-29 00:00:00'");
        assert_eq!(datetime(1_116_975_210), "'2005-05-24 22:53:30'");
    }
}
