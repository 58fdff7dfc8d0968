using Orleans.Configuration;

namespace OrleansCache.Silo;

/// <summary>How soon a silo that is gone is taken for dead, and how late one that is only slow.</summary>
internal static class MembershipTimes
{
    public static void Tune(ISiloBuilder silo)
    {
        silo.Configure<ClusterMembershipOptions>(membership =>
        {
            // Probes follow each other within MinProbeTimeout while answers are quick. A killed process closes its connections: three
            // probes fail at
            // once, and it is out within two seconds. One that merely does not answer keeps its connections, and no vote counts against it
            // until they
            // have been silent for three times MaxProbeTimeout: nine seconds for a slow silo to say anything at all, and out well before
            // fifteen.
            membership.ProbeTimeout = TimeSpan.FromSeconds(1);
            membership.MinProbeTimeout = TimeSpan.FromMilliseconds(500);
            membership.MaxProbeTimeout = TimeSpan.FromSeconds(3);
            membership.NumMissedProbesLimit = 3;
            membership.NumVotesForDeathDeclaration = 2;
            // Who missed a gossip reads it here.
            membership.TableRefreshTimeout = TimeSpan.FromSeconds(10);
            // After 30 s without a heartbeat an entry holds up nobody: a cluster that was killed as a whole starts again in half a minute.
            membership.IAmAliveTablePublishTimeout = TimeSpan.FromSeconds(10);
            membership.NumMissedTableIAmAliveLimit = 3;
        });
        // What hangs on a silo that is gone fails before a client's patience ends.
        var patience = TimeSpan.FromSeconds(10);
        silo.Configure<SiloMessagingOptions>(messaging => messaging.ResponseTimeout = messaging.SystemResponseTimeout = patience);
        silo.Configure<ClientMessagingOptions>(messaging => messaging.ResponseTimeout = patience);
    }
}
