//! The colours are far enough from each other and from the page, for every kind of eye.

use super::*;

/// The two papers of `style.css`.
const WHITE: &str = "#ffffff";
const DARK: &str = "#0d1117";

/// What is seen of linear red, green and blue: by all cones, and without those for long, middle
/// and short waves (Machado, Oliveira and Fernandes 2009, severity 1).
const EYES: [[[f64; 3]; 3]; 4] = [
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
    [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
];

/// A difference that is noticed at once; 2.3 is just noticeable.
const DISTANCE_MIN: f64 = 20.0;
/// WCAG 2.1, success criterion 1.4.11.
const CONTRAST_MIN: f64 = 3.0;

fn linear(colour: &str) -> [f64; 3] {
    [1, 3, 5].map(|at| {
        let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    })
}

fn luminance(colour: &str) -> f64 {
    let [red, green, blue] = linear(colour);
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

fn contrast(a: &str, b: &str) -> f64 {
    let (a, b) = (luminance(a) + 0.05, luminance(b) + 0.05);
    a.max(b) / a.min(b)
}

/// CIELAB of a colour as an eye sees it, under the light of day (D65).
fn lab(colour: &str, eye: &[[f64; 3]; 3]) -> [f64; 3] {
    let rgb = linear(colour);
    let [r, g, b] = eye.map(|row| row.iter().zip(rgb).map(|(m, c)| m * c).sum::<f64>().clamp(0.0, 1.0));
    let root = |t: f64| if t > 0.008856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 };
    let x = root((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.95047);
    let y = root(0.2126 * r + 0.7152 * g + 0.0722 * b);
    let z = root((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.08883);
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

fn distance(a: &str, b: &str) -> f64 {
    let by_eye = EYES.iter().map(|eye| {
        let (a, b) = (lab(a, eye), lab(b, eye));
        a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
    });
    by_eye.fold(f64::INFINITY, f64::min)
}

fn check(paper: &str, colour_of: impl Fn(&Colour) -> &'static str) {
    for (index, one) in COLOURS.iter().enumerate() {
        let contrast = contrast(colour_of(one), paper);
        assert!(contrast >= CONTRAST_MIN, "{} has a contrast of {contrast:.2} on {paper}", one.0);
        for other in &COLOURS[..index] {
            let distance = distance(colour_of(one), colour_of(other));
            assert!(distance >= DISTANCE_MIN, "{} and {} are {distance:.1} apart", one.0, other.0);
        }
    }
}

#[test]
fn engines_are_told_apart_on_both_pages_by_every_kind_of_eye() {
    check(WHITE, |colour| colour.1);
    check(DARK, |colour| colour.2);
}

#[test]
fn the_known_values_of_contrast_and_distance_come_out() {
    assert!((contrast("#000000", "#ffffff") - 21.0).abs() < 1e-9);
    let white = lab("#ffffff", &EYES[0]);
    assert!((white[0] - 100.0).abs() < 0.01 && white[1].abs() < 0.02 && white[2].abs() < 0.02, "{white:?}");
}

#[test]
fn every_engine_has_the_class_of_its_name() {
    for (name, ..) in COLOURS {
        assert_eq!(class(name), format!("e-{name}"));
    }
    assert_eq!(class("something"), "e-other");
}
