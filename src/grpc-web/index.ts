export { Base64Decoder } from './base64.ts';
export { FramesText, frameText, trailersFrame } from './frames.ts';
