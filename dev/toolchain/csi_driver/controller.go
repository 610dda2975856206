package main

import (
	"context"
	"os"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func (d *driver) ControllerGetCapabilities(context.Context, *csi.ControllerGetCapabilitiesRequest) (*csi.ControllerGetCapabilitiesResponse, error) {
	answer := &csi.ControllerGetCapabilitiesResponse{}
	for _, kind := range []csi.ControllerServiceCapability_RPC_Type{
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_VOLUME,
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_SNAPSHOT,
		csi.ControllerServiceCapability_RPC_LIST_SNAPSHOTS,
		csi.ControllerServiceCapability_RPC_CLONE_VOLUME,
		csi.ControllerServiceCapability_RPC_EXPAND_VOLUME,
	} {
		capability := &csi.ControllerServiceCapability_Rpc{Rpc: &csi.ControllerServiceCapability_RPC{Type: kind}}
		answer.Capabilities = append(answer.Capabilities, &csi.ControllerServiceCapability{Type: capability})
	}
	return answer, nil
}

func (d *driver) ValidateVolumeCapabilities(_ context.Context, request *csi.ValidateVolumeCapabilitiesRequest) (*csi.ValidateVolumeCapabilitiesResponse, error) {
	if _, err := d.images.existing(request.VolumeId); err != nil {
		return nil, err
	}
	confirmed := &csi.ValidateVolumeCapabilitiesResponse_Confirmed{VolumeCapabilities: request.VolumeCapabilities}
	return &csi.ValidateVolumeCapabilitiesResponse{Confirmed: confirmed}, nil
}

// CreateVolume makes an empty volume, or one with the content of a snapshot or of another volume.
func (d *driver) CreateVolume(_ context.Context, request *csi.CreateVolumeRequest) (*csi.CreateVolumeResponse, error) {
	d.only.Lock()
	defer d.only.Unlock()
	if err := checkID("volume", request.Name); err != nil {
		return nil, err
	}
	for _, capability := range request.VolumeCapabilities {
		if capability.GetBlock() != nil {
			return nil, status.Error(codes.InvalidArgument, "only file systems are made, no block devices")
		}
	}
	bytes := wanted(request.CapacityRange)
	image := d.images.volume(request.Name)
	if length(image) < 0 {
		source, err := d.source(request.VolumeContentSource, bytes)
		if err != nil {
			return nil, err
		}
		if err := d.images.create(request.Name, source, bytes); err != nil {
			return nil, err
		}
	} else if length(image) < bytes {
		return nil, status.Errorf(codes.AlreadyExists, "volume %s exists and is smaller", request.Name)
	}
	return &csi.CreateVolumeResponse{Volume: &csi.Volume{
		VolumeId: request.Name, CapacityBytes: length(image), ContentSource: request.VolumeContentSource,
	}}, nil
}

// source gives the image whose content a new volume of so many bytes gets; an empty text for none.
func (d *driver) source(content *csi.VolumeContentSource, bytes int64) (string, error) {
	if content == nil {
		return "", nil
	}
	id, image := content.GetVolume().GetVolumeId(), d.images.volume
	if from := content.GetSnapshot(); from != nil {
		id, image = from.SnapshotId, d.images.snapshot
	}
	if err := checkID("source", id); err != nil {
		return "", err
	}
	found := length(image(id))
	if found < 0 {
		return "", status.Errorf(codes.NotFound, "the source %s is not there", id)
	}
	if found > bytes {
		return "", status.Errorf(codes.OutOfRange, "%d bytes are less than the %d of the source %s", bytes, found, id)
	}
	return image(id), nil
}

func (d *driver) DeleteVolume(_ context.Context, request *csi.DeleteVolumeRequest) (*csi.DeleteVolumeResponse, error) {
	d.only.Lock()
	defer d.only.Unlock()
	if err := checkID("volume", request.VolumeId); err != nil {
		return nil, err
	}
	image := d.images.volume(request.VolumeId)
	if device, _ := loopOf(image); device != "" {
		return nil, status.Errorf(codes.FailedPrecondition, "volume %s is in use (%s)", request.VolumeId, device)
	}
	return &csi.DeleteVolumeResponse{}, remove(image)
}

func (d *driver) ControllerExpandVolume(_ context.Context, request *csi.ControllerExpandVolumeRequest) (*csi.ControllerExpandVolumeResponse, error) {
	d.only.Lock()
	defer d.only.Unlock()
	image, err := d.images.existing(request.VolumeId)
	if err != nil {
		return nil, err
	}
	if bytes := wanted(request.CapacityRange); length(image) < bytes {
		if err := os.Truncate(image, bytes); err != nil {
			return nil, err
		}
	}
	return &csi.ControllerExpandVolumeResponse{CapacityBytes: length(image), NodeExpansionRequired: true}, nil
}

// CreateSnapshot copies the frozen file system; the same name and source again give the same snapshot.
func (d *driver) CreateSnapshot(_ context.Context, request *csi.CreateSnapshotRequest) (*csi.CreateSnapshotResponse, error) {
	d.only.Lock()
	defer d.only.Unlock()
	if err := checkID("snapshot", request.Name); err != nil {
		return nil, err
	}
	if _, err := d.images.existing(request.SourceVolumeId); err != nil {
		return nil, err
	}
	found, err := d.images.find(request.Name)
	if os.IsNotExist(err) {
		found, err = d.images.take(request.Name, request.SourceVolumeId)
	}
	if err != nil {
		return nil, err
	}
	if found.Source != request.SourceVolumeId {
		return nil, status.Errorf(codes.AlreadyExists, "snapshot %s is of volume %s", found.ID, found.Source)
	}
	return &csi.CreateSnapshotResponse{Snapshot: described(found)}, nil
}

func (d *driver) DeleteSnapshot(_ context.Context, request *csi.DeleteSnapshotRequest) (*csi.DeleteSnapshotResponse, error) {
	d.only.Lock()
	defer d.only.Unlock()
	if err := checkID("snapshot", request.SnapshotId); err != nil {
		return nil, err
	}
	return &csi.DeleteSnapshotResponse{}, remove(d.images.about(request.SnapshotId), d.images.snapshot(request.SnapshotId))
}

func (d *driver) ListSnapshots(_ context.Context, request *csi.ListSnapshotsRequest) (*csi.ListSnapshotsResponse, error) {
	answer := &csi.ListSnapshotsResponse{}
	all, err := d.images.all()
	for _, one := range all {
		named := request.SnapshotId == "" || request.SnapshotId == one.ID
		sourced := request.SourceVolumeId == "" || request.SourceVolumeId == one.Source
		if named && sourced {
			answer.Entries = append(answer.Entries, &csi.ListSnapshotsResponse_Entry{Snapshot: described(one)})
		}
	}
	return answer, err
}

func described(one snapshot) *csi.Snapshot {
	return &csi.Snapshot{
		SnapshotId: one.ID, SourceVolumeId: one.Source, SizeBytes: one.Bytes, CreationTime: timestamppb.New(one.Taken), ReadyToUse: true,
	}
}

// wanted is the least that satisfies a request, in whole blocks.
func wanted(capacity *csi.CapacityRange) int64 {
	bytes := max(capacity.GetRequiredBytes(), smallest)
	return (bytes + block - 1) / block * block
}
