//! Synthesises speech-like audio: voiced syllables of formants, hisses between them, pauses, a falling pitch, some noise.
//!
//! Nobody's voice was recorded for it, and it says nothing. The same seed gives the same samples on every machine: no
//! call into a platform's mathematics library, whose last bits differ. How samples are stored is left to `generate`.

use fastrand::Rng;

/// How long one setting of the vocal tract lasts.
const BLOCKS_A_SECOND: u32 = 200;

/// The first three formants of some vowels in Hz, for an average speaker.
const VOWELS: [[f32; 3]; 8] = [
    [270.0, 2290.0, 3010.0],
    [390.0, 1990.0, 2550.0],
    [530.0, 1840.0, 2480.0],
    [660.0, 1720.0, 2410.0],
    [730.0, 1090.0, 2440.0],
    [570.0, 840.0, 2410.0],
    [300.0, 870.0, 2240.0],
    [490.0, 1350.0, 1690.0],
];

/// Where the energy of a hiss lies, in Hz.
const HISS: [f32; 3] = [1500.0, 2600.0, 3300.0];

/// Width of the formants in Hz.
const WIDTHS: [f32; 3] = [90.0, 110.0, 170.0];

/// Speaks for so many seconds, mono, at so many samples a second (8000 or 16000).
pub(crate) fn voice(rng: &mut Rng, seconds: f64, sample_rate: u32) -> Vec<i16> {
    let count = (seconds * f64::from(sample_rate)).round() as usize;
    let block = (sample_rate / BLOCKS_A_SECOND).max(1) as usize;
    let mut samples = Vec::with_capacity(count + block);
    let speaker = Speaker { pitch: between(rng, 95.0, 220.0), size: between(rng, 0.92, 1.12) };
    let mut tract = Tract::new(sample_rate as f32, rng.fork());
    while samples.len() < count {
        for sound in phrase(rng, &speaker) {
            for _ in 0..sound.blocks {
                tract.glide(&sound);
                tract.speak(block, &mut samples);
            }
            if samples.len() >= count {
                break;
            }
        }
    }
    samples.truncate(count);
    scaled(&samples, between(rng, 9000.0, 26000.0))
}

struct Speaker {
    pitch: f32,
    size: f32,
}

/// A sound that the vocal tract moves towards.
struct Sound {
    blocks: u32,
    formants: [f32; 3],
    pitch: f32,
    voiced: f32,
    hiss: f32,
}

/// Some syllables under one falling pitch, and the pause after them.
fn phrase(rng: &mut Rng, speaker: &Speaker) -> Vec<Sound> {
    let syllables = rng.u32(3..=9);
    let mut sounds = Vec::with_capacity(2 * syllables as usize + 1);
    for index in 0..syllables {
        let fall = 1.12 - 0.3 * index as f32 / syllables as f32;
        let pitch = speaker.pitch * fall * between(rng, 0.94, 1.08);
        if rng.u8(0..10) < 4 {
            let formants = HISS.map(|formant| formant * speaker.size);
            sounds.push(Sound { blocks: rng.u32(6..=16), formants, pitch, voiced: 0.0, hiss: between(rng, 0.1, 0.4) });
        }
        let vowel = rng.choice(VOWELS).unwrap_or_default();
        let formants = vowel.map(|formant| formant * speaker.size);
        let voiced = between(rng, 0.5, 1.0);
        sounds.push(Sound { blocks: rng.u32(16..=44), formants, pitch, voiced, hiss: 0.03 });
        // The mouth closes between two syllables.
        sounds.push(Sound { blocks: rng.u32(3..=8), formants, pitch, voiced: voiced * 0.15, hiss: 0.01 });
    }
    let neutral = [500.0, 1500.0, 2500.0];
    let blocks = rng.u32(40..=110);
    sounds.push(Sound { blocks, formants: neutral, pitch: speaker.pitch, voiced: 0.0, hiss: 0.0 });
    sounds
}

/// The vocal tract as it is now: a pulse train and noise through three resonators in a row.
struct Tract {
    rate: f32,
    rng: Rng,
    resonators: [Resonator; 3],
    formants: [f32; 3],
    pitch: f32,
    voiced: f32,
    hiss: f32,
    phase: f32,
}

impl Tract {
    fn new(rate: f32, rng: Rng) -> Self {
        let resonators = [Resonator::default(); 3];
        let formants = [500.0, 1500.0, 2500.0];
        Self { rate, rng, resonators, formants, pitch: 120.0, voiced: 0.0, hiss: 0.0, phase: 0.0 }
    }

    /// Moves a block's length towards a sound: nothing in a mouth jumps.
    fn glide(&mut self, sound: &Sound) {
        let toward = |now: &mut f32, target: f32, share: f32| *now += (target - *now) * share;
        toward(&mut self.pitch, sound.pitch, 0.2);
        toward(&mut self.voiced, sound.voiced, 0.25);
        toward(&mut self.hiss, sound.hiss, 0.3);
        let targets = sound.formants.iter().zip(WIDTHS);
        for ((formant, resonator), (target, width)) in self.formants.iter_mut().zip(&mut self.resonators).zip(targets) {
            toward(formant, *target, 0.3);
            resonator.tune(*formant / self.rate, width / self.rate);
        }
    }

    fn speak(&mut self, count: usize, samples: &mut Vec<f32>) {
        let step = self.pitch / self.rate;
        for _ in 0..count {
            self.phase += step;
            if self.phase >= 1.0 {
                self.phase -= 1.0;
            }
            let noise = self.rng.i16(..) as f32 / 32768.0;
            let source = self.voiced * glottis(self.phase) + self.hiss * noise;
            let spoken = self.resonators.iter_mut().fold(source, |sound, resonator| resonator.pass(sound));
            // The line's own noise, heard in the pauses.
            samples.push(spoken + 0.002 * noise);
        }
    }
}

/// The air that the glottis lets through, as its slope: it opens slowly and shuts at once.
fn glottis(phase: f32) -> f32 {
    let open = phase / 0.6;
    if open < 1.0 { open * (2.0 - 3.0 * open) } else { 0.0 }
}

/// A two-pole filter with unity gain at 0 Hz.
#[derive(Clone, Copy, Default)]
struct Resonator {
    gain: f32,
    first: f32,
    second: f32,
    last: f32,
    before: f32,
}

impl Resonator {
    /// Tunes to a frequency and width, both as shares of the sample rate.
    fn tune(&mut self, frequency: f32, width: f32) {
        // e^(-pi * width) by its first Padé approximant: the widths are small.
        let half = std::f32::consts::PI * width / 2.0;
        let radius = (1.0 - half) / (1.0 + half);
        self.first = 2.0 * radius * cosine(frequency.min(0.49));
        self.second = -radius * radius;
        self.gain = 1.0 - self.first - self.second;
    }

    fn pass(&mut self, sound: f32) -> f32 {
        let passed = self.gain * sound + self.first * self.last + self.second * self.before;
        self.before = self.last;
        self.last = passed;
        passed
    }
}

/// The cosine of a share of a turn, 0 to 0.5: `1 - 2 sin²` of half of it, by the sine's series.
fn cosine(turn: f32) -> f32 {
    let half = std::f32::consts::PI * turn;
    let square = half * half;
    let sine = half * (1.0 - square / 6.0 * (1.0 - square / 20.0 * (1.0 - square / 42.0 * (1.0 - square / 72.0))));
    1.0 - 2.0 * sine * sine
}

fn between(rng: &mut Rng, low: f32, high: f32) -> f32 {
    low + (high - low) * rng.f32()
}

/// Brings the loudest sample to a level, and loud and quiet syllables closer together, as a telephone does.
fn scaled(samples: &[f32], loudest: f32) -> Vec<i16> {
    let sum: f32 = samples.iter().map(|sample| sample.abs()).sum();
    let mean = (sum / samples.len().max(1) as f32).max(f32::MIN_POSITIVE);
    let pressed = |sample: f32| sample / (2.0 * mean + sample.abs());
    let peak = samples.iter().fold(f32::MIN_POSITIVE, |peak, sample| peak.max(pressed(*sample).abs()));
    samples.iter().map(|sample| (pressed(*sample) / peak * loudest) as i16).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_voice_of_the_length_asked_for() {
        let speak = |seed, seconds, rate| voice(&mut Rng::with_seed(seed), seconds, rate);
        assert_eq!(speak(1, 2.5, 8000).len(), 20000);
        assert_eq!(speak(1, 0.1, 16000).len(), 1600);
        assert_eq!(speak(1, 0.0, 8000), Vec::<i16>::new());
        assert_eq!(speak(1, 1.0, 8000), speak(1, 1.0, 8000));
        assert_ne!(speak(1, 1.0, 8000), speak(2, 1.0, 8000));
    }

    #[test]
    fn it_speaks_and_pauses() {
        for seed in 0..5 {
            let samples = voice(&mut Rng::with_seed(seed), 6.0, 8000);
            let peak = |span: &[i16]| span.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0);
            let loudest = peak(&samples);
            assert!((9000 - 1..=26000).contains(&loudest), "{loudest}");
            let spans: Vec<u16> = samples.chunks(800).map(peak).collect();
            let quiet = spans.iter().filter(|span| **span < loudest / 50).count();
            let loud = spans.iter().filter(|span| **span > loudest / 4).count();
            assert!(quiet >= 2 && loud >= 15, "{seed}: {spans:?}");
        }
    }

    #[test]
    fn a_resonator_rings_at_its_frequency() {
        let mut resonator = Resonator::default();
        resonator.tune(0.125, 0.005);
        let ring: Vec<f32> = (0..400).map(|index| resonator.pass(if index == 0 { 1.0 } else { 0.0 })).collect();
        let crossings = ring.windows(2).filter(|pair| pair[0] <= 0.0 && pair[1] > 0.0).count();
        assert!((49..=51).contains(&crossings), "{crossings}");
    }
}
