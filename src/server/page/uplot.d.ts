// The build puts uPlot's own module here, under this name: a browser knows no package names.
export { default } from 'uplot';
