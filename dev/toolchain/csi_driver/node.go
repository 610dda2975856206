package main

import (
	"context"
	"os"
	"syscall"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func (d *driver) NodeGetCapabilities(context.Context, *csi.NodeGetCapabilitiesRequest) (*csi.NodeGetCapabilitiesResponse, error) {
	answer := &csi.NodeGetCapabilitiesResponse{}
	for _, kind := range []csi.NodeServiceCapability_RPC_Type{
		csi.NodeServiceCapability_RPC_STAGE_UNSTAGE_VOLUME,
		csi.NodeServiceCapability_RPC_EXPAND_VOLUME,
		csi.NodeServiceCapability_RPC_GET_VOLUME_STATS,
	} {
		capability := &csi.NodeServiceCapability_Rpc{Rpc: &csi.NodeServiceCapability_RPC{Type: kind}}
		answer.Capabilities = append(answer.Capabilities, &csi.NodeServiceCapability{Type: capability})
	}
	return answer, nil
}

func (d *driver) NodeGetInfo(context.Context, *csi.NodeGetInfoRequest) (*csi.NodeGetInfoResponse, error) {
	return &csi.NodeGetInfoResponse{NodeId: d.node}, nil
}

// NodeStageVolume mounts the volume once on this node, at its full size.
func (d *driver) NodeStageVolume(_ context.Context, request *csi.NodeStageVolumeRequest) (*csi.NodeStageVolumeResponse, error) {
	d.only.Lock()
	defer d.only.Unlock()
	image, err := d.images.existing(request.VolumeId)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(request.StagingTargetPath, 0o750); err != nil {
		return nil, err
	}
	if !isMounted(request.StagingTargetPath) {
		// nouuid: a copy has the file system id of what it was copied from, and both may be mounted.
		if err := run("mount", "-t", "xfs", "-o", "loop,nouuid,nosuid,nodev", image, request.StagingTargetPath); err != nil {
			return nil, err
		}
	}
	// It was grown while it was not mounted, or is a larger copy of a smaller one.
	return &csi.NodeStageVolumeResponse{}, run("xfs_growfs", "-d", request.StagingTargetPath)
}

func (d *driver) NodeUnstageVolume(_ context.Context, request *csi.NodeUnstageVolumeRequest) (*csi.NodeUnstageVolumeResponse, error) {
	d.only.Lock()
	defer d.only.Unlock()
	return &csi.NodeUnstageVolumeResponse{}, unmount(request.StagingTargetPath)
}

func (d *driver) NodePublishVolume(_ context.Context, request *csi.NodePublishVolumeRequest) (*csi.NodePublishVolumeResponse, error) {
	d.only.Lock()
	defer d.only.Unlock()
	if err := os.MkdirAll(request.TargetPath, 0o750); err != nil {
		return nil, err
	}
	if !isMounted(request.TargetPath) {
		if err := run("mount", "--bind", request.StagingTargetPath, request.TargetPath); err != nil {
			return nil, err
		}
	}
	if request.Readonly {
		return &csi.NodePublishVolumeResponse{}, run("mount", "-o", "remount,bind,ro", request.TargetPath)
	}
	return &csi.NodePublishVolumeResponse{}, nil
}

func (d *driver) NodeUnpublishVolume(_ context.Context, request *csi.NodeUnpublishVolumeRequest) (*csi.NodeUnpublishVolumeResponse, error) {
	d.only.Lock()
	defer d.only.Unlock()
	if err := unmount(request.TargetPath); err != nil {
		return nil, err
	}
	return &csi.NodeUnpublishVolumeResponse{}, remove(request.TargetPath)
}

// NodeExpandVolume lets the mounted file system have what its image has grown to.
func (d *driver) NodeExpandVolume(_ context.Context, request *csi.NodeExpandVolumeRequest) (*csi.NodeExpandVolumeResponse, error) {
	d.only.Lock()
	defer d.only.Unlock()
	image, err := d.images.existing(request.VolumeId)
	if err != nil {
		return nil, err
	}
	device, place := loopOf(image)
	if place == "" {
		return nil, status.Errorf(codes.NotFound, "volume %s is not mounted", request.VolumeId)
	}
	if err := run("losetup", "--set-capacity", device); err != nil {
		return nil, err
	}
	return &csi.NodeExpandVolumeResponse{CapacityBytes: length(image)}, run("xfs_growfs", "-d", place)
}

func (d *driver) NodeGetVolumeStats(_ context.Context, request *csi.NodeGetVolumeStatsRequest) (*csi.NodeGetVolumeStatsResponse, error) {
	var found syscall.Statfs_t
	if err := syscall.Statfs(request.VolumePath, &found); err != nil {
		return nil, status.Error(codes.NotFound, err.Error())
	}
	usage := func(unit csi.VolumeUsage_Unit, total, free, available uint64, each int64) *csi.VolumeUsage {
		return &csi.VolumeUsage{
			Unit: unit, Total: int64(total) * each, Available: int64(available) * each, Used: int64(total-free) * each,
		}
	}
	return &csi.NodeGetVolumeStatsResponse{Usage: []*csi.VolumeUsage{
		usage(csi.VolumeUsage_BYTES, found.Blocks, found.Bfree, found.Bavail, found.Bsize),
		usage(csi.VolumeUsage_INODES, found.Files, found.Ffree, found.Ffree, 1),
	}}, nil
}
