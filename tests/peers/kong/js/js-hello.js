'use strict'

class Hello {
  constructor (config) {
    this.config = config
  }

  async access (kong) {
    const host = await kong.request.getHeader('host')
    await kong.response.setHeader('x-hello-from-javascript', `JavaScript says ${this.config.message} to ${host}`)
    await kong.service.request.addHeader('x-order', 'javascript')
  }
}

module.exports = {
  Plugin: Hello,
  Schema: [{ message: { type: 'string' } }],
  Version: '0.1.0',
  Priority: 4
}
