//! Makes a long run's points few enough to draw without hiding a spike or a dip.

/// How many times lower than a stretch's highest value its lowest one is a dip to be shown. Less
/// than that is the noise of single seconds, whose drawing would only make the line thick.
const DIP: u64 = 3;

/// The places of the points to keep, at most `at_most` (an even number) of them: of every stretch
/// its highest and, with `dips`, its lowest where it is one, in their order; all where they are
/// few. Of times only the highest count: a curve of maxima then never falls below one of medians.
///
/// A stretch that is mostly silent also keeps one silent place, so that its line breaks there:
/// such stretches are the only ones that may come on top.
pub fn kept(values: &[Option<u64>], at_most: usize, dips: bool) -> Vec<usize> {
    if values.len() <= at_most {
        return (0..values.len()).collect();
    }
    let stretch = values.len().div_ceil(at_most / 2);
    let mut places = Vec::with_capacity(at_most);
    for (number, part) in values.chunks(stretch).enumerate() {
        let begin = number * stretch;
        let told = || part.iter().enumerate().filter_map(|(place, value)| Some((place, (*value)?)));
        let highest = told().max_by_key(|(_, value)| *value);
        let lowest = told().min_by_key(|(_, value)| *value).filter(|(_, lowest)| {
            dips && highest.is_some_and(|(_, highest)| lowest.saturating_mul(DIP) < highest)
        });
        let mostly_silent = told().count() * 2 < part.len();
        let silent = part.iter().position(Option::is_none).filter(|_| mostly_silent);
        let told = [lowest, highest].map(|point| point.map(|(place, _)| place));
        let mut these: Vec<usize> = told.into_iter().chain([silent]).flatten().collect();
        these.sort_unstable();
        these.dedup();
        places.extend(these.into_iter().map(|place| begin + place));
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_points_are_all_kept() {
        assert_eq!(kept(&[Some(1), None, Some(3)], 300, true), [0, 1, 2]);
        assert!(kept(&[], 300, true).is_empty());
    }

    #[test]
    fn every_spike_and_every_dip_of_hours_stays() {
        for spike in [0, 17, 4_999, 14_399] {
            let mut values = vec![Some(100); 14_400];
            values[spike] = Some(9_000);
            values[14_399 - spike] = Some(1);
            let places = kept(&values, 300, true);
            assert!(places.len() <= 300, "{}", places.len());
            assert!(places.contains(&spike) && places.contains(&(14_399 - spike)), "{spike}");
            assert!(places.is_sorted());
            let highest = kept(&values, 300, false);
            assert!(highest.len() <= 150 && highest.contains(&spike), "{spike}");
        }
    }

    #[test]
    fn a_silence_breaks_the_line_and_single_seconds_of_it_do_not() {
        let mut values = vec![Some(5); 3_000];
        values[1_000..1_060].fill(None);
        values[2_001] = None;
        let places = kept(&values, 300, true);
        let silent: Vec<_> = places.into_iter().filter(|place| values[*place].is_none()).collect();
        assert!(!silent.is_empty() && silent.iter().all(|place| (1_000..1_060).contains(place)));
    }
}
