//! Amounts: whole numbers with their unit in the type. Arithmetic is checked; there are no floats.

use std::fmt;
use std::iter::Sum;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

macro_rules! amount {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize,
            Deserialize, ToSchema,
        )]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// None at all.
            pub const ZERO: Self = Self(0);

            /// The sum, or nothing where it would overflow.
            pub fn checked_add(self, other: Self) -> Option<Self> {
                self.0.checked_add(other.0).map(Self)
            }

            /// The difference, or nothing where it would be negative.
            pub fn checked_sub(self, other: Self) -> Option<Self> {
                self.0.checked_sub(other.0).map(Self)
            }

            /// The sum, held at the largest value. For totals that are shown, never for balances.
            pub fn saturating_add(self, other: Self) -> Self {
                Self(self.0.saturating_add(other.0))
            }

            /// The difference, held at zero. For remainders of limits, never for balances.
            pub fn saturating_sub(self, other: Self) -> Self {
                Self(self.0.saturating_sub(other.0))
            }

            /// Whether there is none.
            pub fn is_zero(self) -> bool {
                self.0 == 0
            }
        }

        impl Sum for $name {
            fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
                amounts.fold(Self::ZERO, Self::saturating_add)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

amount!(
    /// Whole grams of CO2 equivalent (克二氧化碳当量).
    Grams
);
amount!(
    /// Carbon points (碳积分).
    Points
);
amount!(
    /// Metres.
    Metres
);
amount!(
    /// Watt-hours of electricity; a kilowatt-hour is a thousand.
    WattHours
);
