/**
 * What the API gives, as JSON. Times are seconds since 1970.
 *
 * @typedef {"starting" | "watching" | "lost" | "paused" | "resting" | "failed"} CameraState
 *
 * @typedef {object} Score
 * @property {string} question
 * @property {number} at
 * @property {number | null} score
 * @property {number} threshold
 *
 * @typedef {object} Savings
 * @property {number} windows
 * @property {number} tokens_full
 * @property {number} tokens_spent
 * @property {number} patches_full
 * @property {number} patches_kept
 * @property {number} flops_full
 * @property {number} flops_spent
 * @property {number} bytes_received
 * @property {number} bytes_jpeg
 *
 * @typedef {object} CameraStatus
 * @property {CameraState} state
 * @property {number} since
 * @property {string | null} error
 * @property {string} source
 * @property {number | null} width
 * @property {number | null} height
 * @property {number | null} fps
 * @property {string | null} codec
 * @property {string | null} motion
 * @property {number | null} last_frame
 * @property {number | null} last_window
 * @property {number | null} lag
 * @property {Record<string, number>} stage_seconds
 * @property {number} skipped
 * @property {number} reconnects
 * @property {number} damaged
 * @property {Record<string, number>} decoding
 * @property {number} rows
 * @property {number} queued
 * @property {Savings} savings
 * @property {Record<string, Score>} scores
 * @property {{windows: number, checked: number, missed: number, bounds: {low: number, high: number}} | null} audit
 * @property {{upheld?: number, refuted?: number, missed?: number}} confirmations
 * @property {string} point
 * @property {number} moves
 * @property {string | null} moved_because
 *
 * @typedef {object} AskedQuestion
 * @property {string} id
 * @property {string} name
 * @property {string} ask
 * @property {string | null} zone
 * @property {{threshold: number | null}} rule
 *
 * @typedef {object} Camera
 * @property {string} id
 * @property {string} name
 * @property {"file" | "api"} source
 * @property {boolean} paused
 * @property {CameraSettings} settings
 * @property {AskedQuestion[]} questions
 * @property {CameraStatus} status
 *
 * @typedef {object} CameraSettings
 * @property {string} url
 * @property {string | null} [name]
 * @property {Record<string, [number, number][]>} [zones]
 * @property {Record<string, [number, number][]>} [masks]
 *
 * @typedef {object} QuestionSettings
 * @property {string} ask
 * @property {string | null} [name]
 * @property {string | null} [zone]
 * @property {boolean} [enabled]
 * @property {Record<string, any>} [alerts]
 *
 * @typedef {object} Event
 * @property {string} id
 * @property {string} camera
 * @property {string} question
 * @property {string} ask
 * @property {string | null} zone
 * @property {number} start
 * @property {number | null} end
 * @property {number} score
 * @property {number} threshold
 * @property {string | null} sentence
 * @property {boolean} still
 * @property {boolean} clip
 * @property {boolean} interrupted
 *
 * @typedef {object} Grid
 * @property {number} rows
 * @property {number} cols
 * @property {string} values base64 of one byte a block
 *
 * @typedef {object} Sink
 * @property {string} name
 * @property {string} type
 * @property {number} waiting
 * @property {number} delivered
 * @property {number} failed
 * @property {number} rejected
 * @property {string | null} error
 *
 * @typedef {object} Health
 * @property {boolean} ready
 * @property {string[]} problems
 * @property {number} started
 * @property {string} model
 * @property {Record<string, any>} settings
 * @property {[number, number | null]} pool_rows
 * @property {number} swaps
 * @property {number | null} cameras_fit
 * @property {string} version
 *
 * @typedef {object} Session
 * @property {boolean} read
 * @property {boolean} change
 * @property {boolean} token whether the service has a token, so that one can log in
 */

export {};
