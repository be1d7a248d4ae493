import { Upload } from 'antd';
import { createRoot } from 'react-dom/client';
import { place, receive } from './received.js';

function beforeUpload(file) {
  receive([file]);
  return false;
}

createRoot(place()).render(
  <Upload.Dragger multiple beforeUpload={beforeUpload}>
    <p data-testid="zone">Drop files here</p>
  </Upload.Dragger>,
);
