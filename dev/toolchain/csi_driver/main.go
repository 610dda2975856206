// Command csi_driver provides volumes for a cluster of one node: each is an XFS file system in a sparse file of its own,
// mounted by a loop device, so that it is really full when it is full. A snapshot is a copy of the frozen file, a restore
// a copy back, growth a longer file and xfs_growfs. (ext4 grows online only with CAP_SYS_RESOURCE, which some virtual
// machines withhold even from root.) It is for development alone.
package main

import (
	"context"
	"flag"
	"log"
	"net"
	"os"
	"path/filepath"
	"sync"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

type driver struct {
	csi.UnimplementedIdentityServer
	csi.UnimplementedControllerServer
	csi.UnimplementedNodeServer
	name, node string
	images     images
	only       sync.Mutex // one change at a time
}

func (d *driver) GetPluginInfo(context.Context, *csi.GetPluginInfoRequest) (*csi.GetPluginInfoResponse, error) {
	return &csi.GetPluginInfoResponse{Name: d.name, VendorVersion: "1"}, nil
}

func (d *driver) Probe(context.Context, *csi.ProbeRequest) (*csi.ProbeResponse, error) {
	return &csi.ProbeResponse{Ready: wrapperspb.Bool(true)}, nil
}

func (d *driver) GetPluginCapabilities(context.Context, *csi.GetPluginCapabilitiesRequest) (*csi.GetPluginCapabilitiesResponse, error) {
	service := &csi.PluginCapability_Service{Type: csi.PluginCapability_Service_CONTROLLER_SERVICE}
	growth := &csi.PluginCapability_VolumeExpansion{Type: csi.PluginCapability_VolumeExpansion_ONLINE}
	return &csi.GetPluginCapabilitiesResponse{Capabilities: []*csi.PluginCapability{
		{Type: &csi.PluginCapability_Service_{Service: service}},
		{Type: &csi.PluginCapability_VolumeExpansion_{VolumeExpansion: growth}},
	}}, nil
}

// registrar tells the kubelet where the driver is.
type registrar struct {
	registration.UnimplementedRegistrationServer
	name, socket string
}

func (r registrar) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return &registration.PluginInfo{
		Type: registration.CSIPlugin, Name: r.name, Endpoint: r.socket, SupportedVersions: []string{"1.0.0"},
	}, nil
}

func (r registrar) NotifyRegistrationStatus(_ context.Context, found *registration.RegistrationStatus) (*registration.RegistrationStatusResponse, error) {
	log.Printf("registered with the kubelet: %v %s", found.PluginRegistered, found.Error)
	return &registration.RegistrationStatusResponse{}, nil
}

func logged(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	answer, err := handle(ctx, request)
	if err != nil {
		log.Printf("%s: %v", filepath.Base(info.FullMethod), err)
	}
	return answer, err
}

func listen(socket string) net.Listener {
	if err := remove(socket); err != nil {
		log.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(socket), 0o700); err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		log.Fatal(err)
	}
	return listener
}

func main() {
	name := flag.String("name", "", "name of the driver")
	kubelet := flag.String("kubelet", "/var/lib/kubelet", "root folder of the kubelet")
	data := flag.String("data", "", "folder of the images")
	node := flag.String("node", "", "name of the node")
	flag.Parse()
	d := &driver{name: *name, node: *node, images: images{*data}}
	if err := d.images.make(); err != nil {
		log.Fatal(err)
	}
	socket := filepath.Join(*kubelet, "plugins", *name, "csi.sock")
	services := grpc.NewServer(grpc.UnaryInterceptor(logged))
	csi.RegisterIdentityServer(services, d)
	csi.RegisterControllerServer(services, d)
	csi.RegisterNodeServer(services, d)
	listener := listen(socket)
	kubeletSide := grpc.NewServer()
	registration.RegisterRegistrationServer(kubeletSide, registrar{name: *name, socket: socket})
	go func() {
		log.Fatal(kubeletSide.Serve(listen(filepath.Join(*kubelet, "plugins_registry", *name+"-reg.sock"))))
	}()
	log.Fatal(services.Serve(listener))
}
