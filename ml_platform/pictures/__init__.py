"""Pictures of what was computed: functions of arrays that give SVG. No input or output."""
