// The sound of an alarm: two tones, made here, so that no file has to come. Browsers let a page be heard only after somebody has
// touched it once.

let audio = null;

export function soundOn() {
  try {
    return localStorage.getItem("senka_sound") !== "off";
  } catch {
    return true; // a browser that keeps nothing
  }
}

/** Remember on this device whether alarms are heard. */
export function keepSound(on) {
  localStorage.setItem("senka_sound", on ? "on" : "off");
}

/** severity warning: one pair of tones, critical: three. */
export function beep(severity) {
  if (!soundOn() || !navigator.userActivation?.hasBeenActive) return;
  audio ??= new AudioContext();
  const times = severity === "critical" ? 3 : 1;
  for (let place = 0; place < times; place += 1) {
    tone(880, audio.currentTime + place * 0.5);
    tone(660, audio.currentTime + place * 0.5 + 0.2);
  }
}

function tone(frequency, start) {
  const oscillator = audio.createOscillator();
  const gain = audio.createGain();
  oscillator.frequency.value = frequency;
  gain.gain.setValueAtTime(0.0001, start);
  gain.gain.exponentialRampToValueAtTime(0.3, start + 0.02);
  gain.gain.exponentialRampToValueAtTime(0.0001, start + 0.18);
  oscillator.connect(gain).connect(audio.destination);
  oscillator.start(start);
  oscillator.stop(start + 0.2);
}
