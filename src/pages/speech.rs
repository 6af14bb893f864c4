//! The two languages of the pages, and how amounts are written in them.

use carbon_protocol::{Grams, Points, Reason};

/// Chinese first; English on request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lang {
    /// Chinese.
    #[default]
    Zh,
    /// English.
    En,
}

impl Lang {
    /// By its name in links and in the cookie.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "zh" => Some(Self::Zh),
            "en" => Some(Self::En),
            _ => None,
        }
    }

    /// Its name in links and in the cookie.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zh => "zh",
            Self::En => "en",
        }
    }

    /// BCP 47 tag.
    pub fn tag(self) -> &'static str {
        match self {
            Self::Zh => "zh-CN",
            Self::En => "en",
        }
    }

    /// One of two texts.
    pub fn say<'t>(self, zh: &'t str, en: &'t str) -> &'t str {
        match self {
            Self::Zh => zh,
            Self::En => en,
        }
    }

    /// A reason's message.
    pub fn reason(self, reason: Reason) -> &'static str {
        self.say(reason.zh(), reason.en())
    }
}

/// Points with thousands apart.
pub fn points(points: Points) -> String {
    grouped(points.0)
}

/// Grams below a kilogram, kilograms with two digits (cut, never rounded up) from there.
pub fn grams(grams: Grams) -> String {
    match grams.0 {
        few @ 0..1000 => format!("{few} g"),
        many => format!("{}.{:02} kg", grouped(many / 1000), many % 1000 / 10),
    }
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A name of which only the first character is shown.
pub fn masked_name(name: &str) -> String {
    let mut chars = name.chars();
    let first: String = chars.by_ref().take(1).collect();
    first + &"*".repeat(chars.count().clamp(1, 3))
}

/// A number of which only both ends are shown.
pub fn masked_number(number: &str, front: usize, back: usize) -> String {
    let chars: Vec<char> = number.chars().collect();
    if chars.len() <= front + back {
        return "*".repeat(chars.len());
    }
    let hidden = chars.len() - front - back;
    let ends = (chars[..front].iter().collect::<String>(), chars[chars.len() - back..].iter());
    format!("{}{}{}", ends.0, "*".repeat(hidden.min(10)), ends.1.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_without_rounding_up() {
        for (amount, text) in [
            (0, "0 g"),
            (999, "999 g"),
            (1000, "1.00 kg"),
            (1999, "1.99 kg"),
            (1_234_567_899, "1,234,567.89 kg"),
        ] {
            assert_eq!(grams(Grams(amount)), text);
        }
        assert_eq!(points(Points(1_234_567)), "1,234,567");
        assert_eq!(points(Points(100)), "100");
    }

    #[test]
    fn names_and_numbers_are_masked() {
        assert_eq!(masked_name("张三丰"), "张**");
        assert_eq!(masked_name("李"), "李*");
        assert_eq!(masked_number("13812345678", 3, 4), "138****5678");
        assert_eq!(masked_number("310101199001011234", 1, 1), "3**********4");
        assert_eq!(masked_number("12", 1, 1), "**");
    }
}
