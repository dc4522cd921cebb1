import { describe, expect, it } from '@jest/globals';
import type { Cluster, Redis } from 'ioredis';
import { redisClient } from './redis.js';
import { parseRedisUrl } from '../settings/redis-address.js';

const node = (host: string, port = 6379) => ({ host, port });

describe('REDIS_URL', () => {
  it.each([
    ['redis://localhost', { nodes: [node('localhost')], db: 0, isEncrypted: false, isCluster: false }],
    ['redis://localhost:7000/3', { nodes: [node('localhost', 7000)], db: 3 }],
    ['redis://[::1]:7000/', { nodes: [node('::1', 7000)], db: 0 }],
    ['redis://:secret@a', { nodes: [node('a')], username: undefined, password: 'secret' }],
    ['redis://user@a', { nodes: [node('a')], username: 'user', password: undefined }],
    ['redis://user:p%40%2C%25@a:1', { nodes: [node('a', 1)], username: 'user', password: 'p@,%' }],
    ['redis://user:pass,word@a:1?family=6', { nodes: [node('a', 1)], username: 'user', password: 'pass,word' }],
    ['redis://a,b:7001,[::2]:7002', { nodes: [node('a'), node('b', 7001), node('::2', 7002)], isCluster: true }],
    ['rediss://user:secret@a,b', { isEncrypted: true, isCluster: true, username: 'user', password: 'secret' }],
  ])('%s is read', (url, address) => {
    expect(parseRedisUrl(url)).toMatchObject(address);
  });

  it.each([
    ['redis://', /host/],
    ['redis://a,,b', /host/],
    ['redis://a,b,', /host/],
    ['redis://a:x', /host/],
    ['redis://u:p@a,u:p@b', /one user/],
    ['redis://a/first', /number/],
    ['redis://a,b/1', /only one/],
    ['redis://:%zz@a', /%25/],
    ['http://a', /redis:/],
    [`redis://${'a,'.repeat(200_000)}b`, /at most/],
  ])('%.40s is refused, and the message quotes nothing of it', (url, reason) => {
    expect(() => parseRedisUrl(url)).toThrow(reason);
    expect(() => parseRedisUrl(url)).not.toThrow(/%zz|u:p/);
  });

  // A cluster was connected to as `redis://`, without user, password and TLS, whatever the URL said.
  it('of a cluster with TLS and a password makes encrypted connections with that password', () => {
    const client = redisClient('rediss://user:secret@a:7000,b', { lazyConnect: true }) as Cluster;

    expect(client.options.redisOptions).toEqual({ username: 'user', password: 'secret', tls: {} });
    // Certificates name hosts.
    const looked: unknown[] = [];
    client.options.dnsLookup?.('redis-1.example', (...found) => looked.push(...found));
    expect(looked).toEqual([null, 'redis-1.example']);
    client.disconnect();
  });

  it('of one server keeps what it says', () => {
    const client = redisClient('rediss://user:secret@[::1]:7000/2', { lazyConnect: true }) as Redis;

    const wanted = { host: '::1', port: 7000, db: 2, username: 'user', password: 'secret', tls: {} };
    expect(client.options).toMatchObject(wanted);
    client.disconnect();
  });
});
