import { createRoot } from 'react-dom/client';
import { useDropzone } from 'react-dropzone';
import { place, receive } from './received.js';

function Zone() {
  const { getRootProps, getInputProps } = useDropzone({ onDropAccepted: receive });
  return (
    <div {...getRootProps({ 'data-testid': 'zone', style: { padding: 40 } })}>
      <input {...getInputProps()} />
      Drop files here
    </div>
  );
}

createRoot(place()).render(<Zone />);
